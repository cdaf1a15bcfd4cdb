"""`dvc` as a command: what it is asked, and which stages follow which."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import yaml

from vdcast import params
from vdcast.errors import InputError
from vdcast.layout import PIPELINE, RUNS
from vdcast.params.modes import sharing_of
from vdcast.params.sections import Params
from vdcast.processes import none_left, reap, uninterrupted
from vdcast.records import io
from vdcast.records.training import Training

# two `dvc` at once would each fail on the other's lock, and a finished training would go unrecorded
DVC = (sys.executable, "-m", "dvc", "--wait-for-lock")
FILES_LOCK = Path(".dvc/tmp/rwlock")  # which stage's files are read or written, and by whom
BUSY = "is busy, it is being blocked by"  # what dvc says of files that another one has


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
    """Those of ``runs`` that are to be trained, the longest first, so that no core is left with one at the end.

    As far as their last training tells; those without one come before, by ``work``.
    """
    settings = params.load()

    def length(stage: str) -> tuple[float, int, str]:
        name = stage.removeprefix("train@")
        try:
            seconds = io.read(RUNS / name / "training.json", Training, stage).seconds
        except InputError:
            seconds = float("inf")
        return seconds, work(settings, name), stage

    return sorted(changed(runs) & {*runs}, key=length, reverse=True)


def work(settings: Params, name: str) -> int:
    """How much a run has to compute, roughly: an xLSTM takes three LSTMs, a detector seen apart as much as all together."""
    run = settings.run(name)
    detectors = len(settings.modes.vd_indices(run.mode))
    groups = sum(map(len, sharing_of(run.mode).copies(detectors)))
    return groups * (3 if run.model == "xlstm" else 1)


def would_run(targets: list[str]) -> list[str]:
    """The stages that `dvc repro` of ``targets`` may run, as dvc.yaml lists them: the changed ones, and all that follow.

    `dvc repro --dry` hashes what a dry run has not made, and fails there.
    """
    edges, stages = graph(targets)
    listed = list(yaml.safe_load(PIPELINE.read_text("utf-8"))["stages"])
    rerun = descendants(changed([]) & stages, edges) & stages
    return sorted(rerun, key=lambda stage: (listed.index(stage.partition("@")[0]), stage))


def changed(stages: list[str]) -> set[str]:
    """Those of ``stages``, or of all, of which an input or output is another one than dvc.lock has."""
    return set(json.loads(ask("status", "--json", *stages).splitlines()[-1]))


def run_or_exit(*arguments: str) -> None:
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
    if BUSY in done.stderr:
        raise InputError(
            "another `dvc` is at work on the same files; give the command again when it has ended"
        )
    if done.returncode:
        raise InputError(next(iter(done.stderr.strip().splitlines()), f"dvc {arguments[0]} failed"))
    return done.stdout


def wait_for_others() -> None:
    """Wait for a `dvc` that somebody else has started here, and say so.

    ``--wait-for-lock`` waits for DVC's own lock, and not for that of the files of a stage that another `dvc` runs.
    """
    if not (pids := at_work()):
        return
    print(
        f"vdcast: another `dvc` is at work here (process {', '.join(map(str, pids))}); waiting for it to end",
        file=sys.stderr,
        flush=True,
    )
    while at_work():
        time.sleep(0.5)


def at_work() -> list[int]:
    """The living processes that have files of this folder locked in DVC."""
    try:
        locks = json.loads(FILES_LOCK.read_text("utf-8"))
        holders = [
            *locks.get("write", {}).values(),
            *(one for each in locks.get("read", {}).values() for one in each),
        ]
        return sorted({int(holder["pid"]) for holder in holders if _lives(int(holder["pid"]))})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or one that is being written
        return []


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # another user's
    return True


def left_undone(lost: set[str]) -> list[str]:
    """A line about the stages that could not run for want of a training."""
    rest = sorted(stage for stage in lost if not stage.startswith("train@"))
    return [f"not made, and as old as they were: what {', '.join(rest)} would leave"] if rest else []
