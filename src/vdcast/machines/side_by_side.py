"""Runs trained side by side on this machine, each by a `dvc repro -s` of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.text import Text

from vdcast import params
from vdcast.errors import InputError
from vdcast.layout import LOGS
from vdcast.machines.dvc_cli import (
    BUSY,
    DVC,
    descendants,
    graph,
    left_undone,
    run_or_exit,
    stale,
    wait_for_others,
)
from vdcast.processes import cpus, has_ended, none_left, reap, uninterrupted, visible_gpus

FIRST = {"quality", "prepare"}  # what there is to read while runs train, and what they read
SECONDS_BETWEEN_LINES = 10.0  # of a run, where the output is no terminal


def repro_side_by_side(targets: list[str], jobs: int | None) -> None:
    """Bring ``targets`` up to date. Raises InputError, at the end, where a run failed."""
    params.load()  # a wrong setting stops here, in one sentence
    wait_for_others()
    edges, stages = graph(targets)
    runs = sorted(stage for stage in stages if stage.startswith("train@"))
    failed = []
    if runs:
        run_or_exit("repro", *sorted(FIRST & stages))
        failed = [each for each in train_here(stale(runs), jobs) if each.process.returncode]
    lost = descendants({each.stage for each in failed}, edges)
    if not failed:
        run_or_exit("repro", *targets)
        return
    with contextlib.suppress(SystemExit):  # the runs that failed are what is said last
        run_or_exit("repro", *sorted(stages - lost))
    raise InputError("\n".join([*(each.failure() for each in failed), *left_undone(lost)]))


@dataclass(kw_only=True)
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
        return cls(stage=stage, slot=slot, log=log, process=process, began=time.perf_counter())

    @property
    def run(self) -> str:
        return self.stage.removeprefix("train@")

    def said(self) -> str:
        """Its last words."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - 4096))
            lines = file.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def row(self) -> str:
        """Its name, which its last words need not repeat, its state and the time that it has taken."""
        code = self.process.returncode
        state = "training" if code is None else "failed" if code else "trained"
        seconds = self.seconds or time.perf_counter() - self.began
        clock = f"{int(seconds) // 60:3}:{int(seconds) % 60:02}"
        words = self.said().removeprefix(f"{self.run} ") if code is None else ""
        return f"{self.run:30} {state:9} {clock}  {words}"

    def failure(self) -> str:
        """Why it failed, and the command that tries it again."""
        lines = [line for line in self.log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
        # the training's last line, if it has left one; dvc's follows it
        reason = next((line for line in reversed(lines[-2:]) if line.startswith("vdcast: ")), self.said())
        if any(BUSY in line for line in lines):
            reason = "another `dvc` was at work on the same files"
        reason = reason or f"exit status {self.process.returncode}"
        return (
            f"{self.stage} failed: {reason.removeprefix('vdcast: ')} (all it said: {self.log}); "
            f"then: vdcast repro {self.stage}"
        )


def train_here(stages: list[str], jobs: int | None) -> list[Training]:
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


def share(slot: int, slots: int, gpus: list[str]) -> dict[str, str]:
    """The environment of a run: its part of the CPUs, and one GPU where there are any."""
    threads = {"OMP_NUM_THREADS": str(max(1, cpus() // slots))}
    return threads | ({"CUDA_VISIBLE_DEVICES": gpus[slot % len(gpus)]} if gpus else {})


class Display:
    """A line per run: kept up to date on a terminal, elsewhere printed as it begins, says something new, and ends."""

    def __init__(self, trainings: list[Training]):
        self.trainings, self.printed = trainings, time.perf_counter()
        self.told: dict[str, str] = {}  # the last words of each run that were printed
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
        elif time.perf_counter() - self.printed >= SECONDS_BETWEEN_LINES:
            self.printed = time.perf_counter()
            for each in self.trainings:
                if each.process.returncode is None and each.said() != self.told.get(each.stage):
                    self.changed(each)

    def changed(self, training: Training) -> None:
        if not self.live:
            self.told[training.stage] = training.said()
            print(training.row().rstrip(), flush=True)
