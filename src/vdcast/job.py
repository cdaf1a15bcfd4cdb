"""One stage in this clone, with data, results and half-finished training through the DVC remote.

    vdcast job train@lstm-single_vd

The unit of work of many machines: a CI job, a Slurm task and a Ray task run it, each in a clone of its own. It is

    dvc repro --pull --allow-missing TARGET && dvc pull TARGET && dvc push --run-cache --with-deps TARGET

with three things around it. First a file is written to the remote: one that refuses must say so before the
training, not after it. A result that dvc.lock knows and the remote lacks is made. And what an unfinished training
keeps in ``.scratch/train`` is copied to the remote while it grows, and fetched at the start, so that another machine
goes on where a lost one stopped.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from vdcast.errors import InputError, first_line, one_sentence
from vdcast.layout import LOCK, SCRATCH
from vdcast.repro import DVC, graph

EVERY = 10.0  # seconds between two looks at the scratch folder: what a lost machine costs, with an epoch


def main() -> None:
    parser = argparse.ArgumentParser(prog="vdcast job", description=__doc__.split("\n")[0])
    parser.add_argument("target", help="a stage of dvc.yaml, e.g. train@lstm-single_vd")
    parser.add_argument("--share", metavar="I/N", help="only the I-th of N shares of a training, I from 1")
    parser.add_argument(
        "--until-eof",
        action="store_true",
        help="stop when standard input closes, as it does when a parent is killed",
    )
    arguments = parser.parse_args()
    if arguments.until_eof:
        threading.Thread(target=stop_at_eof, daemon=True).start()
    ended = f"vdcast: {arguments.target} was ended by SIGTERM; run it again to go on"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ended))
    with one_sentence():
        job(arguments.target, arguments.share)


def stop_at_eof() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def job(target: str, share: str | None = None) -> None:
    """Bring ``target`` up to date here, and leave the result in the default DVC remote.

    With ``share`` (I/N) only that part of a training is done, and what it trained is left for the job that does
    the whole. Raises InputError where the remote fails, or the stage does.
    """
    stage, _, run = target.partition("@")
    if share and stage != "train":
        raise InputError(
            f"a share is one of a training, as in `vdcast job train@RUN --share 2/8`, not of {target}"
        )
    remote = Remote(run if stage == "train" else None)
    remote.check()
    if remote.keys() or share:
        bring("prepare")
        remote.fetch(key_of(run))
    with remote.kept_up():
        if share:
            finish(target, [sys.executable, "-m", "vdcast.train", run, "--share", share])
        else:
            bring(target)
    if share:
        with remote.told("did not take all that was trained; it is kept here"):
            remote.push()
    elif execute(dvc("push", "--run-cache", "--with-deps", target)):
        raise InputError(
            f"{target} is finished, but the remote '{remote.name}' did not take it, as said above; it is kept in "
            f"{Path.cwd()}: run `vdcast job {target}` there again, which trains nothing twice"
        )
    else:
        remote.forget()


def bring(target: str) -> None:
    """Have the outputs of ``target`` here, as settings, data and code are now: from the remote, or made.

    To DVC a stage whose inputs are those of dvc.lock is done, with ``--allow-missing`` even if its outputs are
    neither here nor in the remote; and it looks into the run cache for stages alone that dvc.lock does not know.
    So what nobody has is forgotten there, after what it needs has been brought.
    """
    remake = dvc("repro", "--pull", "--allow-missing", target)
    finish(target, remake)
    if execute(dvc("pull", "--quiet", target)):
        for before in sorted({before for before, after in graph([target])[0] if after == target}):
            bring(before)
        forget(target)
        finish(target, remake)


def forget(target: str) -> None:
    """Remove ``target`` from dvc.lock."""
    from dvc.dvcfile import Lockfile
    from dvc.repo import Repo

    with Repo() as repo, repo.lock:
        Lockfile(repo, str(LOCK)).remove_stage(repo.stage.get_target(target))


def finish(target: str, command: list[str]) -> None:
    """Run ``command``. Raises InputError where it fails."""
    if status := execute(command):
        raise InputError(
            f"{target} failed with exit status {status}, as said above; what it had trained is kept: when the "
            f"cause is gone, run `vdcast job {target}` again"
        )


def key_of(run: str) -> str:
    """The key under which this machine trains ``run`` now."""
    from vdcast import params, train

    settings = params.load()
    return train.key_of(settings.run(run), settings, train.choose_device(settings.run(run).train.device))


class Remote:
    """The default DVC remote, as a place for what ``.scratch/train/<run>`` holds: ``<remote>/scratch/<run>``."""

    def __init__(self, run: str | None):
        """Raises InputError where there is no default remote, or no plugin for it. Without ``run``, keeps nothing."""
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            remote = Repo().cloud.get_remote()
        except DvcException as error:
            raise InputError(f"no DVC remote to share results through ({error})") from None
        self.name, self.fs, self.run = remote.name, remote.fs, run
        self.root = self.fs.join(remote.path, "scratch")
        self.there: dict[Path, tuple] = {}  # local file -> its stamp when it was last equal to the remote's

    def check(self) -> None:
        """Write a file and remove it, or raise InputError."""
        with self.told("cannot be written to, so nothing was run"):
            self.fs.makedirs(self.root, exist_ok=True)
            probe = self.fs.join(self.root, f"written-{uuid.uuid4().hex}")
            self.fs.pipe_file(probe, b"vdcast may write here\n")
            self.fs.remove(probe)

    def keys(self) -> set[str]:
        """Of the trainings of this run that have left something there."""
        if not self.run:
            return set()
        with self.told("cannot be read, so nothing was run"):
            folder = self.fs.join(self.root, self.run)
            return {self.fs.parts(self.fs.relpath(file, folder))[0] for file in self.fs.find(folder)}

    def fetch(self, key: str) -> None:
        """Bring here what another machine left under ``key``; a file that is here already stays as it is."""
        with self.told("cannot be read, so nothing was run"):
            folder = self.fs.join(self.root, self.run, key)
            for source in self.fs.find(folder):
                file = SCRATCH / self.run / key / self.fs.name(source)
                if not file.exists():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    partial = file.with_name(f"{file.name}.partial")
                    self.fs.get_file(source, str(partial))
                    partial.replace(file)
                    self.there[file] = stamp(file)

    def push(self) -> None:
        """Bring the remote up to what is here."""
        for file in self.kept():
            with contextlib.suppress(FileNotFoundError):  # finished and removed between two lines
                if self.there.get(file) != (now := stamp(file)):
                    target = self.fs.join(self.root, *file.relative_to(SCRATCH).parts)
                    self.fs.makedirs(self.fs.parent(target), exist_ok=True)
                    self.fs.put_file(str(file), target)
                    self.there[file] = now

    def forget(self) -> None:
        """Remove there what the trainings that are here have left: their result is there in its place."""
        with self.told("took the results, but not the removal of the scratch files"):
            for key in {file.parent.name for file in self.kept()}:
                for file in list(self.fs.find(self.fs.join(self.root, self.run, key))):
                    self.fs.remove(file)

    def kept(self) -> list[Path]:
        return (
            [*(SCRATCH / self.run).glob("*/*.state"), *(SCRATCH / self.run).glob("*/*.fitted")]
            if self.run
            else []
        )

    @contextlib.contextmanager
    def kept_up(self) -> Iterator[None]:
        """Push again and again, from a thread, and once more at the end, whatever ended it."""
        ended, warned = threading.Event(), False

        def push() -> None:
            nonlocal warned
            try:
                self.push()
                warned = False
            except Exception as error:  # each kind of remote has errors of its own
                if not warned:
                    print(
                        f"vdcast: remote '{self.name}' does not take the training state now ({first_line(error)}); the "
                        f"training goes on, and another machine could resume it from the last state that it took",
                        file=sys.stderr,
                    )
                warned = True

        def loop() -> None:
            while not ended.wait(EVERY):
                push()

        thread = threading.Thread(target=loop)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            push()

    @contextlib.contextmanager
    def told(self, what: str) -> Iterator[None]:
        """Say in one sentence that the remote failed. Each kind of remote has errors of its own."""
        try:
            yield
        except Exception as error:
            raise InputError(
                f"remote '{self.name}' {what}: {first_line(error)}; see `dvc remote list`, and "
                "docs/many_machines.md for what a remote needs"
            ) from None


def stamp(file: Path) -> tuple[int, int, int]:
    """What changes when a file is replaced, also within one tick of the clock."""
    stat = file.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def dvc(*arguments: str) -> list[str]:
    return [*DVC, *arguments]


# a command, and beside it one that waits for our end of a pipe to close and then kills both
WITH_US = 'exec 3<&0 </dev/null; { cat <&3 >/dev/null; kill -9 0; } & exec 3<&-; exec "$@"'


def execute(command: list[str]) -> int:
    """Exit status of ``command``; it and what it started are gone when this returns, or is killed."""
    source = Path("src").resolve()  # the stages run the code of this clone, which is what DVC has hashed
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(source), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }
    child = subprocess.Popen(
        ["sh", "-c", WITH_US, "sh", *command],
        env=environment, stdin=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # its id stays its own until `wait`
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        status = child.wait()
    return status


if __name__ == "__main__":
    main()
