"""`dvc repro` with the runs trained side by side.

    vdcast repro -j 2                  # everything
    vdcast repro compare@multi_vd      # what a target needs
    vdcast repro --ray auto            # the runs on a Ray cluster, see docs/many_machines.md

First the stages that runs share, then every stale run as a `dvc repro -s` of its own, then a plain
`dvc repro`, which finds them trained. A run that fails stops no other one. What each said is in
`.scratch/logs/<run>.log`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from vdcast.errors import InputError, one_sentence
from vdcast.layout import LOGS, REPRO_LOCK, RUNS

# two `dvc` at once would each fail on the other's lock, and a finished training would go unrecorded
DVC = (sys.executable, "-m", "dvc", "--wait-for-lock")
POLL = 0.05  # seconds between two looks at a child
PATIENCE = 20.0  # seconds for a child to end after an interrupt, before it is killed
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    parser = argparse.ArgumentParser(prog="vdcast repro", description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", help="stages, as for `dvc repro`; without one, all")
    parser.add_argument(
        "-j", "--jobs", type=_positive, metavar="N",
        help="runs trained at once; without it, as many as there are GPUs, or else CPUs",
    )  # fmt: skip
    parser.add_argument(
        "--ray", metavar="ADDRESS",
        help="train on this Ray cluster: auto on one of its nodes, HOST:PORT, ray://HOST:10001",
    )  # fmt: skip
    cluster = parser.add_argument_group("with --ray")
    cluster.add_argument("--cpus", type=_positive, metavar="N", help="of a node, for one training; 1")
    cluster.add_argument("--gpus", type=_positive, metavar="N", help="of a node, for one training; none")
    cluster.add_argument(
        "--shares", type=_positive, metavar="N", help="pieces that each training is cut into; 1"
    )
    cluster.add_argument(
        "-S", dest="changes", action="append", metavar="KEY=A,B",
        help="a sweep: each combination an experiment, as of `dvc exp run`",
    )  # fmt: skip
    arguments = vars(parser.parse_args())
    targets, jobs, address = (arguments.pop(name) for name in ("targets", "jobs", "ray"))
    options = {name: value for name, value in arguments.items() if value is not None}
    if address and jobs:
        parser.error(
            "-j is for one machine; with --ray the nodes take as many runs as --cpus and --gpus allow"
        )
    if options and not address:
        parser.error("--cpus, --gpus, --shares and -S go with --ray ADDRESS")
    for number in INTERRUPTS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as SIGHUP is under nohup
            signal.signal(number, signal.default_int_handler)
    with one_sentence(), alone():
        if address:
            from vdcast import ray_runs

            ray_runs.repro(address, targets, **options)
        else:
            repro(targets, jobs)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait for what another `vdcast repro` here has begun, and say so.

    The lock ends with the last process that has it: this one's children get it too, and outlive a ``kill -9``
    of their parent, with what they write locked in DVC.
    """
    REPRO_LOCK.parent.mkdir(parents=True, exist_ok=True)
    with REPRO_LOCK.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"vdcast: what another `vdcast repro` began here is under way (its runs say in {LOGS} how far they "
                "are); waiting for it to end",
                file=sys.stderr,
                flush=True,
            )
            fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)
        os.environ["DVC_NO_ANALYTICS"] = "1"  # what dvc leaves behind to report would hold the lock
        yield


def repro(targets: list[str], jobs: int | None) -> None:
    """Bring ``targets`` up to date. Raises InputError, at the end, where a run failed."""
    from vdcast import params

    params.load()  # a wrong setting stops here, in one sentence
    edges, stages = graph(targets)
    runs = sorted(stage for stage in stages if stage.startswith("train@"))
    failed = []
    if runs:
        execute("repro", "prepare")
        failed = [each for each in train(stale(runs), jobs) if each.process.returncode]
    lost = descendants({each.stage for each in failed}, edges)
    if not failed:
        execute("repro", *targets)
        return
    with contextlib.suppress(SystemExit):  # the runs that failed are what is said last
        execute("repro", *sorted(stages - lost))
    raise InputError("\n".join([*(each.failure() for each in failed), *left_undone(lost)]))


def graph(targets: list[str]) -> tuple[set[tuple[str, str]], set[str]]:
    """Which stage feeds which, and all stages, of what ``targets`` need."""
    dot = "\n".join(ask("dag", "--dot", target) for target in targets or [""])
    edges = set(re.findall(r'^\s*"([^"]+)" -> "([^"]+)";', dot, flags=re.MULTILINE))
    stages = set(re.findall(r'"([^"]+)"', dot))
    return edges, {stage for stage in stages if not stage.endswith(".dvc")}


def descendants(stages: set[str], edges: set[tuple[str, str]]) -> set[str]:
    """``stages`` and all that needs one of them."""
    found: set[str] = set()
    todo = set(stages)
    while todo:
        found |= todo
        todo = {after for before, after in edges if before in todo} - found
    return found


def stale(runs: list[str]) -> list[str]:
    """Those of ``runs`` that are to be trained, the longest first, as far as their last training tells."""

    def seconds(stage: str) -> float:
        try:
            text = (RUNS / stage.removeprefix("train@") / "training.json").read_text("utf-8")
            return json.loads(text)["seconds"]
        except (OSError, ValueError, KeyError):
            return float("inf")

    changed = json.loads(ask("status", "--json", *runs).splitlines()[-1])
    return sorted((stage for stage in runs if stage in changed), key=seconds, reverse=True)


@dataclass
class Training:
    """A run under way in a session of its own, or ended."""

    stage: str
    slot: int
    log: Path
    process: subprocess.Popen
    began: float
    seconds: float = 0.0

    @classmethod
    def start(cls, stage: str, slot: int, env: dict[str, str]) -> Training:
        log = LOGS / f"{stage.removeprefix('train@')}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)  # one that outlived a killed `vdcast repro` may still write to it
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*DVC, "repro", "-s", stage], env=os.environ | env, start_new_session=True,
                close_fds=False, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            )  # fmt: skip
        return cls(stage, slot, log, process, time.perf_counter())

    def said(self) -> str:
        """Its last words."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def row(self) -> str:
        code = self.process.returncode
        state = "training" if code is None else "failed" if code else "trained"
        seconds = self.seconds or time.perf_counter() - self.began
        clock = f"{int(seconds) // 60:3}:{int(seconds) % 60:02}"
        return (
            f"{self.stage.removeprefix('train@'):30} {state:9} {clock}  {self.said() if code is None else ''}"
        )

    def failure(self) -> str:
        """Why it failed, and the command that tries it again."""
        lines = [line for line in self.log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
        # the training's last line, if it has left one; dvc's follows it
        reason = next((line for line in reversed(lines[-2:]) if line.startswith("vdcast: ")), self.said())
        reason = reason or f"exit status {self.process.returncode}"
        return (
            f"{self.stage} failed: {reason.removeprefix('vdcast: ')} (all it said: {self.log}); "
            f"then: vdcast repro {self.stage}"
        )


def train(stages: list[str], jobs: int | None) -> list[Training]:
    """Train ``stages``, at most ``jobs`` at once; how each of them ended. Stops all of them if interrupted."""
    gpus = visible_gpus()
    slots = min(jobs or len(gpus) or cpus(), len(stages))
    free, waiting = list(range(slots)), list(stages)
    trainings: list[Training] = []
    children: list[subprocess.Popen] = []
    with none_left(children), Display(trainings) as display:
        while waiting or len(free) < slots:
            while waiting and free:
                slot = free.pop(0)
                with uninterrupted():
                    trainings.append(Training.start(waiting.pop(0), slot, share(slot, slots, gpus)))
                    children.append(trainings[-1].process)
                display.changed(trainings[-1])
            time.sleep(0.2)
            for each in trainings:
                if not each.seconds and has_ended(each.process):
                    reap(each.process)
                    each.seconds = time.perf_counter() - each.began
                    free.append(each.slot)
                    display.changed(each)
            display.refresh()
    return trainings


@contextlib.contextmanager
def none_left(children: list[subprocess.Popen]) -> Iterator[None]:
    """However the body is interrupted, nothing of ``children``, each in a session of its own, outlives it.

    They are interrupted, and killed if they take longer than ``PATIENCE``, or at a second interrupt.
    """
    try:
        yield
    except BaseException:
        left = [each for each in children if each.returncode is None]
        try:
            for each in left:
                to_session(each, signal.SIGINT)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and not all(map(has_ended, left)):
                time.sleep(POLL)
        finally:
            for number in INTERRUPTS:
                signal.signal(number, signal.SIG_IGN)
            for each in left:
                to_session(each, signal.SIGKILL)
                each.wait()
        raise


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """An interrupt that comes within the body is raised at its end."""
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    for number, handler in handlers.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def has_ended(leader: subprocess.Popen) -> bool:
    """Unlike `poll`, this leaves a dead one its process id, so that its session can still be named."""
    return leader.returncode is not None or psutil.Process(leader.pid).status() == psutil.STATUS_ZOMBIE


def reap(leader: subprocess.Popen) -> int:
    """Its exit status, once it has ended. Nothing of its session outlives it: not the training of a killed dvc."""
    while not has_ended(leader):
        time.sleep(POLL)
    if leader.returncode is None:
        to_session(leader, signal.SIGKILL)
    return leader.wait()


def to_session(leader: subprocess.Popen, number: int) -> None:
    """Only before ``leader`` is reaped: from then on another process may have its id."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, number)


def cpus() -> int:
    """CPUs that we may use: OMP_NUM_THREADS if it is set, else those that this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Names of the GPUs, as CUDA_VISIBLE_DEVICES takes them."""
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in chosen.split(",") if name.strip() and name.strip() != "-1"]
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []


def share(slot: int, slots: int, gpus: list[str]) -> dict[str, str]:
    """The environment of a run: its part of the CPUs, and one GPU where there are any."""
    threads = {"OMP_NUM_THREADS": str(max(1, cpus() // slots))}
    return threads | ({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else {})


class Display:
    """A line per run: kept up to date on a terminal, elsewhere printed as a run begins and ends."""

    def __init__(self, trainings: list[Training]):
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        console = Console()
        rows = lambda: Text("\n".join(each.row() for each in trainings), overflow="ellipsis", no_wrap=True)  # noqa: E731
        self.live = (
            Live(get_renderable=rows, console=console, auto_refresh=False) if console.is_terminal else None
        )

    def __enter__(self) -> Display:
        if self.live:
            self.live.__enter__()
        return self

    def __exit__(self, *error) -> None:
        if self.live:
            self.live.__exit__(*error)

    def refresh(self) -> None:
        if self.live:
            self.live.refresh()

    def changed(self, training: Training) -> None:
        if not self.live:
            print(training.row().rstrip(), flush=True)


def execute(*arguments: str) -> None:
    """Run `dvc`, which speaks for itself. Raises SystemExit where it fails."""
    children: list[subprocess.Popen] = []
    with none_left(children):
        with uninterrupted():
            children.append(subprocess.Popen([*DVC, *arguments], start_new_session=True, close_fds=False))
        status = reap(children[0])
    if status:
        sys.exit(status)


def ask(*arguments: str) -> str:
    """What `dvc` prints. Raises InputError with what it says of a mistake, such as an unknown target."""
    command = [*DVC, *filter(None, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(next(iter(done.stderr.strip().splitlines()), f"dvc {arguments[0]} failed"))
    return done.stdout


def left_undone(lost: set[str]) -> list[str]:
    """A line about the stages that could not run for want of a training."""
    rest = sorted(stage for stage in lost if not stage.startswith("train@"))
    return [f"not made, and as old as they were: what {', '.join(rest)} would leave"] if rest else []
