"""The default DVC remote as a place for unfinished trainings."""

import contextlib
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from vdcast.errors import InputError, first_line
from vdcast.layout import SCRATCH
from vdcast.machines.dvc_repo import missing, opened, there

EVERY = 10.0  # seconds between two looks at the scratch folder: what a lost machine costs, with an epoch


class Remote:
    """The default DVC remote, as a place for what ``.scratch/train/<run>`` holds: ``<remote>/scratch/<run>``."""

    def __init__(self, run: str | None):
        """Raises InputError where there is no default remote, or no plugin for it. Without ``run``, keeps nothing."""
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            repo = Repo()
            remote = repo.cloud.get_remote()
        except DvcException as error:
            raise InputError(f"no DVC remote to share results through ({error})") from None
        self.name, self.fs, self.run = remote.name, remote.fs, run
        self.odb = repo.cloud.get_remote_odb()
        self.root = self.fs.join(remote.path, "scratch")
        self.there: dict[Path, tuple] = {}  # local file -> its stamp when it was last equal to the remote's

    def check(self) -> None:
        """Write a file and remove it, or raise InputError."""
        with self.told("cannot be written to, so nothing was run"):
            self.fs.makedirs(self.root, exist_ok=True)
            probe = self.fs.join(self.root, f"written-{uuid.uuid4().hex}")
            self.fs.pipe_file(probe, b"vdcast may write here\n")
            self.fs.remove(probe)

    def holds(self, target: str) -> bool:
        """Whether all that ``target`` has left is there after a `dvc push`.

        That only warns of an object that it finds nowhere, and takes a folder for uploaded whose list is there: what
        is missing of one is uploaded here.
        """
        with opened() as repo, self.told(f"may not have taken all of {target}, which is kept here"):
            cache = repo.cache.local
            for name in [name for stage in repo.stage.collect(target) for name in missing(stage, self.odb)]:
                if not there(cache, name):
                    return False
                self.odb.add(cache.oid_to_path(name), cache.fs, name)
        return True

    def keys(self) -> set[str]:
        """Of the trainings of this run that have left something there."""
        if not self.run:
            return set()
        with self.told("cannot be read, so nothing was run"):
            folder = self.fs.join(self.root, self.run)
            return {self.fs.parts(self.fs.relpath(file, folder))[0] for file in self.fs.find(folder)}

    def fetch(self, key: str) -> None:
        """Bring here what another machine left under ``key``; a file that is here already stays as it is."""
        from vdcast.train import scratch

        assert self.run  # there are no ``keys`` without
        here = SCRATCH / self.run / key
        with scratch.held(here), self.told("cannot be read, so nothing was run"):
            folder = self.fs.join(self.root, self.run, key)
            for source in self.fs.find(folder):
                file = here / self.fs.name(source)
                if not file.exists():
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
