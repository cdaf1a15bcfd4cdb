"""What the pipeline costs beside the trainings in it: ``python benchmarks/runs.py [PART ...] [--epochs 5]``.

Writes benchmarks/RUNS.md; a part that is not run keeps what it said. About 20 minutes on two quiet cores. All
parts work on clones of the last commit, in a temporary folder, with the sample. Parts: stages, side_by_side,
overhead, no_change, estimate.
"""

import argparse
import contextlib
import datetime
import importlib.util
import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import yaml

from measure import cpu_name, table
from run import sections

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "RUNS.md"
HEAD = """# What running side by side, DVC and Ray cost

Made by `python benchmarks/runs.py`. What is compared ran one after the other on the same machine, on clones of the
same commit. Each part names its machine, versions and date.
"""
VDCAST = (sys.executable, "-c", "from vdcast.commands.cli import main; main()")
DVC = (sys.executable, "-m", "dvc")


@dataclass(frozen=True)
class Clone:
    """A clone of the last commit, with DVC's cache of its own."""

    path: Path

    @classmethod
    def make(cls, path: Path, **changes: dict) -> "Clone":
        """With ``changes`` laid over sections of params.yaml."""
        subprocess.run(["git", "clone", "-q", str(ROOT), str(path)], check=True)
        clone = cls(path)
        settings = clone.read("params.yaml")
        for section, values in changes.items():
            settings[section] |= values
        clone.write("params.yaml", settings)
        return clone

    def copy(self, path: Path) -> "Clone":
        shutil.copytree(self.path, path, symlinks=True)
        return Clone(path)

    def read(self, name: str) -> dict:
        return yaml.safe_load((self.path / name).read_text("utf-8"))

    def write(self, name: str, document: dict) -> None:
        (self.path / name).write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")

    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PYTHONPATH": str(self.path / "src"),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "DVC_NO_ANALYTICS": "1",
        }

    def seconds(self, *command: str) -> float:
        """That ``command`` takes. Raises SystemExit with what it said where it fails."""
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=self.path, env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )  # fmt: skip
        if done.returncode:
            sys.exit(f"{' '.join(command)} failed:\n{done.stdout.decode(errors='replace')[-3000:]}")
        return time.perf_counter() - began

    def runs(self) -> list[str]:
        return list(self.read("params.yaml")["runs"])


def prepared(folder: Path, epochs: int) -> Clone:
    """A clone in which nothing is trained, and a run takes ``epochs`` epochs."""
    clone = Clone.make(folder / "prepared", train={"epochs": epochs, "patience": epochs})
    clone.seconds(*DVC, "repro", "prepare")
    return clone


def bare(clone: Clone) -> float:
    return sum(clone.seconds(sys.executable, "-m", "vdcast.train", run) for run in clone.runs())


def stages(folder: Path, epochs: int) -> list[str]:
    """`dvc repro` of everything that params.yaml says, three seeds included, in a fresh clone: where its time goes.
    A stage's seconds are those from dvc's word that it runs it to its next such word, so dvc's own are among them."""
    clone = Clone.make(folder / "everything")
    process = subprocess.Popen(
        [*DVC, "repro"], cwd=clone.path, env=clone.environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    marks, said = [("dvc, before the first stage", time.perf_counter())], []
    for line in process.stdout:
        said.append(line)
        if line.startswith("Running stage '"):
            marks.append((line.split("'")[1], time.perf_counter()))
    if process.wait():
        sys.exit(f"dvc repro failed:\n{''.join(said)[-3000:]}")
    marks.append(("", time.perf_counter()))
    seconds = {name: after - began for (name, began), (_, after) in itertools.pairwise(marks)}
    groups: dict[str, float] = {}
    for name, each in seconds.items():
        group = name if name.startswith("train@") else name.split("@")[0]
        groups[group] = groups.get(group, 0.0) + each
    whole = sum(groups.values())
    rows = [
        {"stage": name, "seconds": f"{each:.1f}", "share": f"{each / whole:.0%}"}
        for name, each in groups.items()
    ]
    return table([*rows, {"stage": "all", "seconds": f"{whole:.1f}", "share": "100%"}])


def side_by_side(folder: Path, epochs: int) -> list[str]:
    """Six runs of the sample from nothing. Serial runs are no straw man: each trains its seeds in as many
    processes as there are CPUs; side by side, the CPUs are shared out between runs instead."""
    ways = {
        "`dvc repro train`, one run after another": lambda clone: clone.seconds(*DVC, "repro", "train"),
        "`vdcast repro -j 2 train`": lambda clone: clone.seconds(*VDCAST, "repro", "-j", "2", "train"),
    }
    times = better_of_two(prepared(folder, epochs), folder, ways)
    serial = next(iter(times.values()))
    rows = [
        {"way": way, "seconds": f"{each:.0f}", "speed-up": f"{serial / each:.2f}"}
        for way, each in times.items()
    ]
    return [f"Six runs, {epochs} epochs each; the better of two turns.", "", *table(rows)]


def overhead(folder: Path, epochs: int) -> list[str]:
    """Six runs of one epoch, so that what is around a training shows; one at a time, with all CPUs, each way the
    better of two turns. A bare run starts Python and torch too, so that is no overhead."""
    start = prepared(folder, 1)
    ways = {
        "`python -m vdcast.train`": bare,
        "`dvc repro train`": lambda clone: clone.seconds(*DVC, "repro", "train"),
        "`vdcast repro -j 1 train`": lambda clone: clone.seconds(*VDCAST, "repro", "-j", "1", "train"),
    }
    if importlib.util.find_spec("ray") and importlib.util.find_spec("vdcast.machines.on_ray"):
        ways["`vdcast repro --ray`, one node on this machine, a folder as remote"] = on_ray
    times = better_of_two(start, folder, ways)
    least = next(iter(times.values()))
    runs = len(start.runs())
    return table(
        [
            {"way": way, "seconds": f"{each:.0f}", "more a run, seconds": f"{(each - least) / runs:.1f}"}
            for way, each in times.items()
        ]
    )


def better_of_two(start: Clone, folder: Path, ways: dict[str, Callable[[Clone], float]]) -> dict[str, float]:
    """Seconds of each way on a copy of ``start``, taking turns."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(2):
        for number, (way, seconds) in enumerate(ways.items()):
            clone = start.copy(folder / f"{turn}-{number}" / "clone")
            times[way].append(seconds(clone))
            shutil.rmtree(clone.path.parent)
    return {way: min(each) for way, each in times.items()}


def on_ray(clone: Clone) -> float:
    """On a cluster of this machine alone, started before and stopped after; the remote is made here too."""
    from ray.cluster_utils import Cluster

    cpus = len(os.sched_getaffinity(0))
    clone.seconds(*DVC, "remote", "add", "-d", "shared", str(clone.path.parent / "remote"))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus, "include_dashboard": False})
    try:
        trainings = [f"train@{run}" for run in clone.runs()]
        return clone.seconds(*VDCAST, "repro", "--ray", cluster.address, "--cpus", str(cpus), *trainings)
    finally:
        cluster.shutdown()


def no_change(folder: Path, epochs: int) -> list[str]:
    """The empty one has the same stages, dependencies, parameters and outputs; its commands only `touch` the
    outputs. Times are medians of five, taking turns, with nothing to do."""
    full = prepared(folder, 1)
    full.seconds(*VDCAST, "repro")
    empty = Clone.make(folder / "empty")
    pipeline = empty.read("dvc.yaml")
    for stage in pipeline["stages"].values():
        body = stage.get("do", stage)
        outs = [*body.get("outs", []), *body.get("metrics", [])]
        body["cmd"] = [
            f"mkdir -p {Path(out).parent} && touch {out}" if Path(out).suffix else f"mkdir -p {out}"
            for out in outs
        ]
    del pipeline["plots"]
    empty.write("dvc.yaml", pipeline)
    empty.seconds(*DVC, "repro")
    ways = {
        "`dvc repro` of the empty pipeline": (empty, (*DVC, "repro")),
        "`dvc repro`": (full, (*DVC, "repro")),
        "`vdcast repro`": (full, (*VDCAST, "repro")),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(5):
        for way, (clone, command) in ways.items():
            times[way].append(clone.seconds(*command))
    medians = {way: statistics.median(each) for way, each in times.items()}
    least = next(iter(medians.values()))
    rows = [
        {"way": way, "seconds": f"{each:.2f}", "ratio": f"{each / least:.2f}"}
        for way, each in medians.items()
    ]
    return table(rows)


# the network of detectors that the estimate is of
VDS, DAYS, INTERVAL = 10_000, 365, 300
EPOCHS = 30  # the sample's runs stopped after 20 to 70; ten times the windows need no more
WORKERS = (1, 8, 64)


def estimate(folder: Path, epochs: int) -> list[str]:
    """On paper, from pieces measured here; a worker is one core of this machine. `independent_multi_vd` with one
    seed, the default networks, one feature, as far as trained weights; each worker takes a share of the stacks of 5
    detectors. What each job costs beside its training is in the part before."""
    import numpy as np
    import torch

    from sample import data_of, task_of
    from vdcast import params
    from vdcast.data import store
    from vdcast.data.detectors import Detectors
    from vdcast.models.shared.device import deterministic
    from vdcast.params.formats import WideTable
    from vdcast.params.modes import Sharing
    from vdcast.train.copies import STACK_ON_CPU, Copies
    from vdcast.train.loop import fit_stack

    deterministic("cpu")
    torch.set_num_threads(1)
    settings = params.load(ROOT / "params.yaml")
    steps = DAYS * 86400 // INTERVAL
    train, validation = (round(share * steps) for share in settings.prepare.split[:2])

    def series(T: int, V: int) -> Detectors:
        noise = np.random.default_rng(0).normal(100, 20, (T, V, 1)).astype("f4")
        return Detectors(
            values=noise, timestamps=INTERVAL * np.arange(T), vd_ids=tuple(map(str, range(V))),
            features=("volume",), units=("veh",), interval=INTERVAL, time_zone="UTC", source="noise",
        )  # fmt: skip

    # a day of training windows for a day's thirtieth of checks would mislead: the shares are those of the split
    some = 2048
    parts = [series(T, STACK_ON_CPU) for T in (some, some * validation // train)]
    window = settings.window
    task = task_of(parts[0], Sharing.APART, length=window.sequence_length, horizon=window.prediction_length)
    data = data_of(task, *parts)
    copies = Copies(seeds=[0] * STACK_ON_CPU, groups=data.copies)
    epoch, collect = {}, {}
    for name in ("lstm-independent_multi_vd", "xlstm-independent_multi_vd"):
        run = settings.run(name)
        run = run.model_copy(update={"train": run.train.model_copy(update={"epochs": 3, "patience": 3})})
        fitted = fit_stack(run, data, copies)
        epoch[name] = min(fitted.seconds) * train / some
        collect[name] = 4 * sum(weights.numel() for weights in fitted.weights.values()) * VDS / STACK_ON_CPU

    # files: written and read at the rate of a smaller one
    small = series(20_000, 500)
    h5 = folder / "detectors.h5"
    began = time.perf_counter()
    store.write(h5, small)
    write = h5.stat().st_size / (time.perf_counter() - began)
    began = time.perf_counter()
    store.read(h5)
    read = h5.stat().st_size / (time.perf_counter() - began)
    raw = folder / "raw.csv"
    rows = 4 * 24 * 30
    with raw.open("w") as file:
        file.write("time," + ",".join(map(str, range(500))) + "\n")
        first = datetime.datetime(2024, 1, 1)
        line = "," + ",".join(["123"] * 500) + "\n"
        for number in range(rows):
            file.write(f"{first + datetime.timedelta(seconds=INTERVAL * number):%Y-%m-%d %H:%M:%S}{line}")
    from vdcast.ingest import pipeline

    data = WideTable(
        format="wide_table", raw=str(raw), time_zone="UTC", interval=INTERVAL, feature="volume", unit="veh"
    )
    began = time.perf_counter()
    pipeline.ingest(data, folder / "d.h5", folder / "quality.json", folder / "scratch")
    values = rows * 500 / (time.perf_counter() - began)

    cells = VDS * steps
    size = 4 * cells
    stacks = VDS // STACK_ON_CPU
    serial = cells / values + size / read + size / write  # ingest, prepare
    load = size * sum(settings.prepare.split[:2]) / read
    lines = [
        f"{VDS:,} detectors x {DAYS} days x {INTERVAL // 60} min = {cells / 1e9:.2f} billion values, "
        f"{size / 1e9:.1f} GB; {train:,} training steps; {stacks:,} stacks; {EPOCHS} epochs assumed.",
        "",
        *table(
            [
                {"piece, measured here on one core": name, "": f"{seconds:.1f} s"}
                for name, seconds in (
                    *((f"an epoch of a stack, {name} ({some} windows, scaled up)", s) for name, s in epoch.items()),
                    (f"`ingest` of it all, at {values / 1e6:.1f} million values/s of a wide table", cells / values),
                    (f"`prepare`'s reading and writing, at {read / 1e6:.0f} and {write / 1e6:.0f} MB/s", size / read + size / write),
                    ("reading the training and validation part, once per worker", load),
                    *((f"writing and reading the weights, {name}", collect[name] * (1 / read + 1 / write)) for name in epoch),
                )
            ]
        ),
        "",
    ]  # fmt: skip
    rows_ = []
    for name, seconds in epoch.items():
        fixed = serial + load + collect[name] * (1 / read + 1 / write)
        work = {n: fixed + -(-stacks // n) * EPOCHS * seconds for n in WORKERS}
        rows_.append(
            {"run": name}
            | {f"{n} worker{'s' * (n > 1)}": f"{each / 3600:,.1f} h" for n, each in work.items()}
            | {f"speed-up at {WORKERS[-1]}": f"{work[1] / work[WORKERS[-1]]:.0f}"}
        )
    return [*lines, *table(rows_)]


PARTS = {part.__name__: part for part in (stages, side_by_side, overhead, no_change, estimate)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--epochs", type=int, default=5, help="of each run in side_by_side")
    parser.add_argument("--print", action="store_true", help="and write nothing")
    parser.add_argument("--folder", type=Path, help="work here, and leave what was made")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {sorted(unknown)[0]!r}; parts are {', '.join(PARTS)}")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("torch", "dvc"))
    where = f"{cpu_name()}, {len(os.sched_getaffinity(0))} CPUs, {versions}, {datetime.date.today()}"
    for name in arguments.parts or PARTS:
        place = (
            contextlib.nullcontext(arguments.folder) if arguments.folder else tempfile.TemporaryDirectory()
        )
        with place as folder:
            lines = PARTS[name](Path(folder), arguments.epochs)
        note = " ".join((PARTS[name].__doc__ or "").split())
        text = "\n".join(["", f"{where}. {note}", "", *lines])
        print(f"## {name}\n{text}", flush=True)
        if not arguments.print:
            kept = sections(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
            kept[name] = text
            body = [f"\n## {part}\n{kept[part].rstrip()}\n" for part in PARTS if part in kept]
            RESULTS.write_text(HEAD + "".join(body), "utf-8")


if __name__ == "__main__":
    main()
