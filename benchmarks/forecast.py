"""How long `vdcast forecast` takes from the shell, start-up included, and where: ``python benchmarks/forecast.py``.

A folder with params.yaml, a model and a feed of one-minute VDLive snapshots of 3,000 VDs (JSON, gzip), and nothing else.
The weights are drawn, not trained, which costs the same. The first forecast reads all of the feed; what is timed are the
next ones, each after one more snapshot came. Seconds are of the wall clock, and in brackets of the processor, which other
work on the machine hardly changes: the least and the median of ``--repeats``.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import torch

from ingest import START, write_day
from vdcast.data import profile
from vdcast.models.shared.forecaster import build
from vdcast.models.shared.task import Task
from vdcast.models.shared.trained import Trained
from vdcast.models.shared.windows import Sizes
from vdcast.params.modes import Sharing, sharing_of
from vdcast.params.networks import LSTM, XLSTM, Network
from vdcast.params.sections import Run, Train

SHARED = {"lookback": None, "dropout": 0.3, "batch_size": 32, "learning_rate": 0.001, "weight_decay": 0.01}
NETWORKS: dict[str, Network] = {
    "lstm": LSTM(hidden_size=128, num_layers=1, **SHARED),
    "xlstm": XLSTM(
        embedding_dim=128, num_blocks=2, slstm_at=[1], num_heads=4, context_length=64, slstm_backend="vanilla",
        mlstm_backend="vanilla", kernel="vanilla", compile=False, **SHARED,
    ),
}  # fmt: skip
STEPS = (
    ("import", "from vdcast.live import issue, recent, record, source"),
    ("model.pt", "of = source.source(given); task = of.trained.task"),
    ("what is new, and the lookback", "observed = recent.lookback(of.observations(task.length), task)"),
    ("forecast", "made = issue.issue(of.trained, observed, now=of.now, max_age=of.settings.max_age)"),
    ("file", "record.write(record.path_of(Path('steps'), of.run, of.now, of.settings.format), made)"),
)


def model(network: Network, mode: str, seeds: int, vds: int) -> Trained:
    """Untrained, of the detectors of ``ingest.snapshot``: two features, 12 steps in and out."""
    L = H = 12
    features, units = ("speed", "volume", "occupancy"), ("km/h", "veh/1min", "%")
    V, F, sharing = vds, len(features), sharing_of(mode)
    train = Train(
        seeds=list(range(seeds)), epochs=1, patience=1, gradient_clip=1.0, quantiles=[], device="cpu",
        precision="float32",
    )  # fmt: skip
    run = Run(
        name=f"{network.model}-{mode}",
        model=network.model,
        mode=mode,
        network=network,
        train=train,
        covariates=True,
    )
    of_a_seed = sharing.copies(V)
    G = sum(map(len, of_a_seed))
    sizes = Sizes(
        V // G, F, targets=1, calendar=13, length=L, horizon=H, groups=len(of_a_seed[0]),
        embedded=sharing is Sharing.SHARED,
    )  # fmt: skip
    made = build(network, sizes, copies=seeds * len(of_a_seed))
    task = Task(
        vd_ids=tuple(f"VD-N1-S-{i / 10:.3f}-M-LOOP" for i in range(V)),
        features=features,
        targets=("volume",),
        units=("veh/1min",),
        feature_units=units,
        mean=np.full((V, F), 20.0),
        std=np.full((V, F), 5.0),
        profile=np.full((7 * profile.slots_a_day(60), V, F), 20.0, np.float32),
        length=L,
        horizon=H,
        sharing=sharing,
        interval=60,
        time_zone="Asia/Taipei",
    )
    return Trained(weights=made.state_dict(), run=run.model_dump(), task=task)


def project(folder: Path, snapshots: int, vds: int) -> list[Path]:
    """The feed, but for its last snapshots, which are returned."""
    write_day(folder / "feed", "json", snapshots, vds)
    forecast = "{folder: forecasts, format: parquet, max_age: 3600, alarm: null}"
    settings = f"data: {{format: taiwan_vdlive, raw: feed}}\nforecast: {forecast}\n"
    (folder / "params.yaml").write_text(settings)
    return sorted((folder / "feed").iterdir())


def timed(folder: Path, command: list[str]) -> tuple[tuple[float, float], str]:
    """Seconds of the wall clock and of the processor, and what was printed."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (time.perf_counter() - started, processor), done.stdout


def at(snapshot: int) -> str:
    return (START + timedelta(minutes=snapshot, seconds=70)).isoformat()


def steps_of(folder: Path, run: str, snapshot: int) -> dict[str, tuple[float, float]]:
    """Seconds of the wall clock and of the processor of each step, in one process."""
    lines = ["import time, json", "from pathlib import Path", "from argparse import Namespace"]
    lines += [f"given = Namespace(run={run!r}, model=None, data=None, at={at(snapshot)!r})", "took = {}"]
    for name, code in STEPS:
        clocks = "(time.perf_counter(), time.process_time())"
        lines += [f"start = {clocks}", code, f"took[{name!r}] = [b - a for a, b in zip(start, {clocks})]"]
    _, out = timed(folder, [sys.executable, "-c", "\n".join([*lines, "print(json.dumps(took))"])])
    return json.loads(out)


def measure(folder: Path, trained: Trained, later: list[Path], first: int) -> list[str]:
    """A row for the whole command, and one for each of its steps."""
    run = trained.run["name"]
    trained.save(folder / "runs" / run / "model.pt")
    command = [sys.executable, "-m", "vdcast", "forecast", run, "--at"]
    whole, parts = [], []
    for i, path in enumerate(later):
        shutil.move(path, folder / "feed")
        if i % 2:
            parts.append(steps_of(folder, run, first + i))
        else:
            whole.append(timed(folder, [*command, at(first + i)])[0])
    rows = [("`vdcast forecast`", whole), *((name, [each[name] for each in parts]) for name, _ in STEPS)]
    return [
        f"| {run} | {name} | {both(min, took)} | {both(statistics.median, took)} |" for name, took in rows
    ]


def both(of: Callable[[list[float]], float], took: list[tuple[float, float]]) -> str:
    wall, processor = (of(list(each)) for each in zip(*took, strict=True))
    return f"{wall:.2f} ({processor:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--vds", type=int, default=3000)
    parser.add_argument("--snapshots", type=int, default=1440, help="of the feed")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--mode", default="multi_vd")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    more = 2 * given.repeats * len(given.models)
    print(
        f"{given.vds} VDs, {given.snapshots} snapshots, {given.mode}, {given.seeds} seeds; torch {torch.__version__}, "
        f"{os.cpu_count()} cores, {datetime.now(UTC):%Y-%m-%d}\n"
    )
    print("| run | | least, s | median, s |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = project(folder, given.snapshots + more, given.vds)
        later = folder / "later"
        later.mkdir()
        waiting = [Path(shutil.move(path, later)) for path in paths[given.snapshots :]]
        for i, model_name in enumerate(given.models):
            trained = model(NETWORKS[model_name], given.mode, given.seeds, given.vds)
            if not i:
                trained.save(folder / "first.pt")
                timed(
                    folder,
                    [
                        sys.executable,
                        "-m",
                        "vdcast",
                        "forecast",
                        "--model",
                        "first.pt",
                        "--at",
                        at(given.snapshots - 1),
                    ],
                )
            some = slice(2 * given.repeats * i, 2 * given.repeats * (i + 1))
            for row in measure(folder, trained, waiting[some], given.snapshots + some.start):
                print(row, flush=True)


if __name__ == "__main__":
    main()
