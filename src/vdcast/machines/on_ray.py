"""Runs of the pipeline on a Ray cluster: each a `vdcast job` in a copy of this repository, on whatever node is free.

    vdcast repro --ray auto

A node gets the tracked files as they are now, dvc.lock and the settings of the DVC remote; data, results and
half-finished trainings go through that remote. A task whose node or worker dies is tried again elsewhere and goes
on from the state in the remote; a stage that fails by itself is not tried again.
"""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vdcast import params
from vdcast.cluster import connected
from vdcast.errors import InputError, first_line
from vdcast.layout import LOCK, LOGS, PARAMS
from vdcast.machines.clone import bring, job, python_path
from vdcast.machines.dvc_cli import descendants, graph, left_undone, run_or_exit, stale
from vdcast.machines.lost import forget_lost
from vdcast.machines.remote import Remote
from vdcast.params.modes import sharing_of
from vdcast.params.sections import Params
from vdcast.train.copies import stacks_of

TRIES = 4  # nodes that a task may lose before it counts as failed
LONGEST = 60  # letters of a log's name: a file system takes 255 bytes


@dataclass(frozen=True)
class Task:
    """A training, perhaps with other settings than this repository's."""

    target: str
    settings: str | None = None  # params.yaml as text
    changes: tuple[str, ...] = ()  # that make them, as for `dvc exp run -S`

    @property
    def name(self) -> str:
        return " ".join([self.target, *self.changes])

    @property
    def log(self) -> Path:
        name = self.name.removeprefix("train@").replace(os.sep, "_")
        if len(name) > LONGEST:
            name = f"{name[:LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        return LOGS / f"{name}.log"


@dataclass(frozen=True)
class Ended:
    """How a task ended on a node."""

    failed: bool
    log: str
    node: str

    def row(self, task: Task, share: str | None = None) -> str:
        """What is said of it as it ends: whether it was trained now, or had been before."""
        name = f"{task.name}, share {share}" if share else task.name
        if self.failed:
            return f"{name}: failed on {self.node}"
        ran = share or f"Running stage '{task.target}'" in self.log
        return f"{name}: {'trained on' if ran else 'had been trained, as was found by'} {self.node}"

    def reason(self) -> str:
        """The last sentence about a failure: the stage's own, if it left one, rather than the job's about it."""
        said = [line for line in self.log.splitlines() if line.startswith("vdcast: ")]
        own = [line for line in said if " failed with exit status " not in line]
        return (own or said or self.log.strip().splitlines() or ["nothing"])[-1].removeprefix("vdcast: ")


def repro_on_ray(
    address: str,
    targets: list[str],
    *,
    changes: Sequence[str] = (),
    cpus: int = 1,
    gpus: int = 0,
    shares: int = 1,
) -> None:
    """Bring ``targets`` up to date, with their trainings on the cluster at ``address``.

    ``cpus`` and ``gpus`` are what a training takes of a node; with ``shares`` it is cut into so many pieces. With
    ``changes`` (`xlstm.num_blocks=2,4,8`) each combination becomes an experiment of DVC. Raises InputError once all
    is done that can be, if a training failed.
    """
    params.load()  # a wrong setting stops here, in one sentence
    sweep = combinations(changes)
    edges, stages = graph(targets)
    runs = sorted(stage for stage in stages if stage.startswith("train@"))
    failed: dict[Task, str] = {}
    with connected(address, cpus, gpus):
        job("prepare")
        tasks = [
            Task(run, settings, combination)
            for combination, settings in sweep
            for run in (runs if combination else stale(runs))
        ]
        LOGS.mkdir(parents=True, exist_ok=True)
        for task, ended in train_on_nodes(tasks, cpus, gpus, shares):
            task.log.write_text(ended.log, "utf-8")
            if ended.failed:
                failed[task] = f"{task.name} failed: {ended.reason()} (all it said: {task.log})"
    problems, undone = list(failed.values()), set()
    for combination, _ in sweep:
        lost = descendants({task.target for task in failed if task.changes == combination}, edges)
        undone |= lost
        try:
            if not combination:
                with_trained(sorted(set(runs) - lost), sorted(stages - lost) if lost else targets)
            elif not lost:
                experiment(runs, targets, combination)
        except (SystemExit, InputError) as error:  # the others, and what failed before, are still to be told
            what = error if isinstance(error, InputError) else "a stage failed, as said above"
            problems.append(" ".join(["after the trainings", *combination]) + f": {what}")
    if problems:
        again = "the others are in the remote, and the same command goes on from there"
        raise InputError("\n".join([*problems, *left_undone(undone), again]))


def with_trained(runs: list[str], targets: list[str]) -> None:
    """Bring the trained ``runs`` here, and ``targets`` up to date with them."""
    if runs:
        bring(Remote(None), *runs)
    run_or_exit("repro", "--pull", *targets)


def experiment(runs: list[str], targets: list[str], changes: tuple[str, ...]) -> None:
    """Make ``targets`` with ``changes`` as an experiment, of which ``runs`` are trained."""
    if runs:
        forget_lost(Remote(None), *runs)  # or DVC would look for what dvc.lock says, and train again
    sets = [word for change in changes for word in ("-S", change)]
    run_or_exit("exp", "run", "--temp", "--pull", *sets, *targets)


def combinations(changes: Sequence[str]) -> list[tuple[tuple[str, ...], str | None]]:
    """Every combination of ``changes``, and params.yaml with it; without changes, the settings as they are."""
    if not changes:
        return [((), None)]
    from dvc.exceptions import InvalidArgumentError
    from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
    from hydra.errors import HydraException

    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / "params.yaml"
        found: list[tuple[tuple[str, ...], str | None]] = []
        try:
            for sweep in get_hydra_sweeps({str(PARAMS): list(changes)}):
                combination = tuple(sweep[str(PARAMS)])
                shutil.copyfile(PARAMS, changed)
                apply_overrides(changed, list(combination))
                params.load(changed)
                found.append((combination, changed.read_text("utf-8")))
        except (InvalidArgumentError, HydraException) as error:
            raise InputError(f"-S: {first_line(error)}") from None
        return found


def train_on_nodes(tasks: list[Task], cpus: int, gpus: int, shares: int) -> Iterator[tuple[Task, Ended]]:
    """Send ``tasks`` to the cluster; each as it ends.

    The shares of a task go before it. One that failed is no loss: the task itself does its part.
    """
    import ray

    here = ray.put(snapshot()), remote_settings()
    start = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=TRIES - 1)(run_on_node)
    running: dict[ray.ObjectRef, tuple[Task, str | None]] = {}
    for task in tasks:
        parts: list[str | None] = [*shares_of(task, shares, gpus)] or [None]
        for share in parts:
            running[start.remote(*here, task, share, cpus)] = task, share
    while running:
        (done, *_), _ = ray.wait(list(running))
        task, share = running.pop(done)
        ended = outcome(done)
        print(ended.row(task, share), flush=True)
        if share is None:
            yield task, ended
        elif not any(task is other for other, _ in running.values()):
            running[start.remote(*here, task, None, cpus)] = task, None


def outcome(done) -> Ended:
    """How the task behind an object of Ray ended, its own mistakes and its losses included."""
    import ray

    try:
        return ray.get(done)
    except ray.exceptions.RayTaskError as error:  # raised by our own lines there: no git, a full disk
        return Ended(True, f"{error}\nvdcast: {first_line(error.cause)}", "its node")
    except ray.exceptions.RayError as error:
        return Ended(
            True,
            f"vdcast: Ray gave it up, after {TRIES} tries if nodes were lost: {first_line(error)}",
            "no node",
        )


def shares_of(task: Task, shares: int, gpus: int) -> list[str]:
    """The shares that ``task`` is cut into, no more than it has stacks; none if that is one."""
    if shares == 1:
        return []
    settings = settings_of(task)
    run = settings.run(task.target.removeprefix("train@"))
    copies = sharing_of(run.mode).copies(len(settings.modes.vd_indices(run.mode)))
    stacks = len(stacks_of(run, copies, "cuda" if gpus else "cpu", settings.folds))
    if stacks < shares:
        print(
            f"{task.name}: {stacks} stacks of copies are all it has, so it is cut into no more shares",
            flush=True,
        )
    return [f"{i}/{min(stacks, shares)}" for i in range(1, min(stacks, shares) + 1)] if stacks > 1 else []


def settings_of(task: Task) -> Params:
    if task.settings is None:
        return params.load()
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / PARAMS
        changed.write_text(task.settings, "utf-8")
        return params.load(changed)


def snapshot() -> bytes:
    """The tracked files as they are now, and dvc.lock, as a tar; nothing in this repository changes."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"GIT_INDEX_FILE": str(Path(folder) / "index")}

        def git(*arguments: str) -> bytes:
            done = subprocess.run(["git", *arguments], env=environment, capture_output=True, check=False)
            if done.returncode:
                raise InputError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
            return done.stdout

        git("read-tree", "HEAD")
        git("add", "--update")
        if LOCK.exists():
            git("add", "--force", str(LOCK))
        return git("archive", git("write-tree").decode().strip())


def remote_settings() -> dict:
    """The default DVC remote with all that is set for it, keys included if they are in .dvc/config.local."""
    from dvc.repo import Repo

    config = Repo().config
    name = config["core"].get("remote")
    if name not in config["remote"]:
        raise InputError(
            "no default DVC remote, through which results return; `dvc remote add -d shared URL`"
        )
    return {"core": {"remote": name}, "remote": {name: dict(config["remote"][name])}}


def run_on_node(files: bytes, remote: dict, task: Task, share: str | None, cpus: int) -> Ended:
    """A Ray task: lay the copy out in a folder of its own and do the job there.

    The folder stays if it holds a result that the remote did not take, but not the remote's keys in it.
    """
    from ray.util import get_node_ip_address

    place, failed = Path(tempfile.mkdtemp(prefix="vdcast-")), False
    try:
        with tarfile.open(fileobj=io.BytesIO(files)) as tar:
            tar.extractall(place, filter="data")
        subprocess.run(["git", "init", "-q"], cwd=place, check=True)
        if task.settings is not None:
            (place / PARAMS).write_text(task.settings, "utf-8")
        set_remote(place, remote)
        environment = os.environ | {"OMP_NUM_THREADS": str(cpus), "PYTHONPATH": python_path(place)}
        child = subprocess.Popen(
            [sys.executable, "-m", "vdcast", "job", "--until-eof", task.target, *(["--share", share] if share else [])],
            cwd=place, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert child.stdout is not None  # a pipe
        log = child.stdout.read().decode(errors="replace")
        failed = child.wait() != 0
        return Ended(failed, log, get_node_ip_address())
    finally:
        if failed and list(place.glob("runs/*/model.pt")):
            (place / ".dvc/config.local").unlink(missing_ok=True)
        else:
            shutil.rmtree(place, ignore_errors=True)


def set_remote(place: Path, remote: dict) -> None:
    from dvc.config import Config

    with Config(str(place / ".dvc")).edit("local") as config:
        for section, values in remote.items():
            config.setdefault(section, {}).update(values)
