"""Stop a real process, or one of its workers, at a chosen point, to be killed there.

A ``sitecustomize`` on PYTHONPATH waits inside ``os.replace``, by which every file of ours takes its final
name, and reports through a FIFO: nothing in a test has to guess how long something takes.
"""

import os
import select
import signal
import subprocess
from pathlib import Path

SITE = """
import os

when, suffix, count, fifo = os.environ["STOP_AT"].split("|")
left, replace = int(count), os.replace

def replace_or_stop(source, target, **rest):
    global left
    left -= str(target).endswith(suffix)
    stop = left == 0 and str(target).endswith(suffix)
    if not (stop and when == "before"):
        replace(source, target, **rest)
    if stop:
        left = -1
        with open(fifo, "w") as report:
            report.write(f"{os.getpid()}\\n")
        with open(fifo + ".go") as go:
            go.read()

os.replace = replace_or_stop
"""


class Stopping:
    """``when`` ('before' or 'after') the ``count``-th file that ends in ``suffix`` takes its name."""

    def __init__(self, folder: Path, when: str, suffix: str, count: int = 1):
        folder.mkdir(parents=True)
        (folder / "sitecustomize.py").write_text(SITE, "utf-8")
        self.folder, self.fifo = folder, folder / "fifo"
        os.mkfifo(self.fifo)
        os.mkfifo(f"{self.fifo}.go")
        self.at = f"{when}|{suffix}|{count}|{self.fifo}"

    def start(
        self, command: list[str], cwd: Path, env: dict[str, str] | None = None, stderr=subprocess.DEVNULL
    ) -> subprocess.Popen:
        """``command`` in a session of its own, stopped at the point."""
        env = dict(os.environ if env is None else env)
        env |= {"STOP_AT": self.at, "PYTHONPATH": f"{self.folder}{os.pathsep}{env.get('PYTHONPATH', '')}"}
        report = os.open(self.fifo, os.O_RDWR)  # so that neither end waits for the other to open
        process = subprocess.Popen(
            command, cwd=cwd, env=env, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=stderr,
        )  # fmt: skip
        ready, _, _ = select.select([report], [], [], 300)
        assert ready, f"{command} never came to {self.at}"
        self.stopped = int(os.read(report, 100))
        os.close(report)
        return process

    def release(self) -> None:
        """Let the stopped process go on."""
        Path(f"{self.fifo}.go").write_text("", "utf-8")


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
