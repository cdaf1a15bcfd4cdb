"""One stage in this clone, with data, results and half-finished training through the DVC remote.

    vdcast job train@lstm-single_vd

The unit of work of many machines: a CI job, a Slurm task and a Ray task run it, each in a clone of its own. It is

    dvc repro --pull --allow-missing TARGET && dvc pull TARGET && dvc push --run-cache --with-deps TARGET

with four things around it. First a file is written to the remote: one that refuses must say so before the training, not
after it. What dvc.lock knows and nobody has is made. What an unfinished training keeps in ``.scratch/train`` is copied
to the remote while it grows, and fetched at the start, so that another machine goes on where a lost one stopped. In the
end each object of the result is looked for in the remote.
"""

import argparse
import contextlib
import functools
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from vdcast import params
from vdcast.errors import InputError, first_line, one_sentence
from vdcast.layout import LOCK, SCRATCH
from vdcast.repro import DVC, reap, to_session

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
    params.load()  # a wrong setting stops here, in one sentence
    stage, _, run = target.partition("@")
    if share and stage != "train":
        raise InputError(
            f"a share is one of a training, as in `vdcast job train@RUN --share 2/8`, not of {target}"
        )
    remote = Remote(run if stage == "train" else None)
    remote.check()
    if remote.keys() or share:
        bring(remote, "prepare")
        remote.fetch(key_of(run))
    with remote.kept_up():
        if share:
            finish(target, [sys.executable, "-m", "vdcast.train", run, "--share", share])
        else:
            bring(remote, target)
    if share:
        with remote.told("did not take all that was trained; it is kept here"):
            remote.push()
    elif execute(dvc("push", "--run-cache", "--with-deps", target)) or not remote.holds(target):
        raise InputError(
            f"{target} is finished, but the remote '{remote.name}' did not take it, as said above; it is kept in "
            f"{Path.cwd()}: run `vdcast job {target}` there again, which trains nothing twice"
        )
    else:
        remote.forget()


def bring(remote: "Remote", *targets: str) -> None:
    """Have the outputs of ``targets`` here, as settings, data and code are now: from the remote, or made."""
    forget_lost(remote, *targets)
    finish(targets[0], dvc("repro", "--pull", "--allow-missing", *targets))
    finish(targets[0], dvc("pull", *targets))  # what DVC found done, and left where it is


def forget_lost(remote: "Remote", *targets: str) -> None:
    """Remove from dvc.lock what nobody has, neither this clone nor the remote, and ``targets`` need.

    To DVC a stage whose inputs are those of dvc.lock is done, with ``--allow-missing`` even if its outputs are gone;
    and it asks the run cache only about stages that dvc.lock does not know.
    """
    from dvc.dvcfile import Lockfile

    with opened() as repo:
        graph, cache = repo.index.graph, repo.cache.local
        wanted = {stage for target in targets for stage in repo.stage.collect(target)}

        @functools.cache
        def lost(stage) -> bool:
            with remote.told("cannot be read, so nothing was run"):
                return any(missing(stage, cache, remote.odb))

        for stage in to_run(wanted, graph, lost):
            if lost(stage) and not stage.is_data_source:
                Lockfile(repo, str(LOCK)).remove_stage(stage)


@contextlib.contextmanager
def opened() -> Iterator:
    """This clone as DVC sees it, locked. Raises InputError for what DVC says of a mistake, such as an unknown target."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(_wait_for_lock=True) as repo, repo.lock:
            yield repo
    except DvcException as error:
        raise InputError(first_line(error)) from None


def to_run(wanted: set, graph, lost) -> set:
    """The stages that may run for ``wanted``: stale ones, what follows these, and what of their inputs is ``lost``.

    ``graph`` leads from each stage to those that it needs.
    """
    import networkx

    graph = graph.subgraph(wanted.union(*(networkx.descendants(graph, stage) for stage in wanted)))
    stale: set = set()
    for stage in networkx.dfs_postorder_nodes(graph):  # what a stage needs comes before it
        before = list(graph.successors(stage))
        if not stale.isdisjoint(before) or stage.changed(allow_missing=True, upstream=before):
            stale.add(stage)
    runs, todo = set(), stale | set(filter(lost, wanted))
    while todo:
        runs |= todo
        todo = {before for stage in todo for before in graph.successors(stage) if lost(before)} - runs
    return runs


def missing(stage, *places) -> Iterator[str]:
    """The outputs of ``stage``, and files of folders among them, that none of ``places`` has, as dvc.lock names them."""
    from dvc_data.hashfile.tree import Tree

    def where(name: str):
        return next((place for place in places if there(place, name)), None)

    for out in stage.outs:
        place = where(out.hash_info.value) if out.hash_info else None
        if place is None:
            yield out.hash_info.value if out.hash_info else str(out)
        elif out.hash_info.isdir:
            names = {info.value for _, _, info in Tree.load(place, out.hash_info)}
            yield from (name for name in sorted(names) if not where(name))


def there(place, name: str) -> bool:
    """Unlike `exists` of DVC, whose file systems take every error for a no, this raises where nobody answers."""
    try:
        return bool(place.fs.info(place.oid_to_path(name)))
    except FileNotFoundError:
        return False


def finish(target: str, command: list[str]) -> None:
    """Run ``command``. Raises InputError where it fails."""
    if status := execute(command):
        raise InputError(
            f"{target} failed with exit status {status}, as said above; what it had trained is kept: when the "
            f"cause is gone, run `vdcast job {target}` again"
        )


def key_of(run: str) -> str:
    """The key under which this machine trains ``run`` now."""
    from vdcast import train

    settings = params.load()
    return train.key_of(settings.run(run), settings, train.choose_device(settings.run(run).train.device))


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
        from vdcast import scratch

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


def python_path(clone: Path) -> str:
    """PYTHONPATH with the code of ``clone`` before all else."""
    return os.pathsep.join([str(clone / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])


def dvc(*arguments: str) -> list[str]:
    return [*DVC, *arguments]


# a command, and beside it one that waits for our end of a pipe to close and then kills both
WITH_US = 'exec 3<&0 </dev/null; { cat <&3 >/dev/null; kill -9 0; } & exec 3<&-; exec "$@"'


def execute(command: list[str]) -> int:
    """Exit status of ``command``; it and what it started are gone when this returns, or is killed."""
    environment = os.environ | {
        "PYTHONPATH": python_path(Path.cwd()),  # the code of this clone, which is what DVC has hashed
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "DVC_NO_ANALYTICS": "1",  # what it leaves behind to report would outlive us
    }
    child = subprocess.Popen(
        ["sh", "-c", WITH_US, "sh", *command],
        env=environment, stdin=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        return reap(child)
    finally:
        if child.returncode is None:
            to_session(child, signal.SIGKILL)
            child.wait()


if __name__ == "__main__":
    main()
