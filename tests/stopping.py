"""Stop a real process, or one of its workers, at a chosen point, to be killed there.

A ``sitecustomize`` on PYTHONPATH waits inside ``os.replace``, by which every file of ours takes its final
name, and reports through a FIFO: nothing in a test has to guess how long something takes.
"""

import os
import select
import signal
import subprocess
from collections.abc import Mapping
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
        self.site, self.fifo = folder / "sitecustomize.py", folder / "fifo"
        self.site.write_text(SITE, "utf-8")
        os.mkfifo(self.fifo)
        os.mkfifo(f"{self.fifo}.go")
        self.at = f"{when}|{suffix}|{count}|{self.fifo}"

    def start(
        self, command: list[str], cwd: Path, env: dict[str, str] | None = None, stderr=subprocess.DEVNULL
    ) -> subprocess.Popen:
        """``command`` in a session of its own, stopped at the point."""
        process = subprocess.Popen(
            command, cwd=cwd, env=self.added_to(os.environ if env is None else env), start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=stderr,
        )  # fmt: skip
        self.wait()
        return process

    def added_to(self, env: Mapping[str, str]) -> dict[str, str]:
        """``env`` with what stops each process under it that comes to the point, one at a time."""
        path = f"{self.site.parent}{os.pathsep}{env.get('PYTHONPATH', '')}"
        return {**env, "STOP_AT": self.at, "PYTHONPATH": path}

    def wait(self) -> None:
        """Until a process has stopped; its id is ``stopped``."""
        report = os.open(self.fifo, os.O_RDWR)  # so that neither end waits for the other to open
        ready, _, _ = select.select([report], [], [], 300)
        assert ready, f"nothing came to {self.at}"
        self.stopped = int(os.read(report, 100).split()[0])  # a second one may have come there too
        os.close(report)

    def release(self) -> None:
        """Let the stopped process go on."""
        Path(f"{self.fifo}.go").write_text("", "utf-8")

    def disarm(self) -> None:
        """Processes that start from now on are not stopped."""
        self.site.unlink()


def kill(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
