"""Ours against neuralforecast 3.3, on the embedded sample's first detector.

Both get the same scaled series, calendar, windows, batch, width, depth, learning rate and threads, no dropout, and
for xLSTM mLSTM blocks alone, which is what neuralforecast has. Each runs in a process of its own; ours trains
until it stops early, and neuralforecast gets the same seconds of training. Both are scored by the same windows of
the validation and of the test part: a forecast by persistence, computed on either side, must score the same there.
neuralforecast is installed into a virtual environment under the user's cache folder, on first use.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENT = (
    Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vdcast-benchmarks/neuralforecast"
)
NETWORKS = {
    "lstm": {"hidden_size": 64, "num_layers": 1, "dropout": 0.0},
    "xlstm": {"embedding_dim": 64, "num_blocks": 2, "slstm_at": [], "dropout": 0.0},
}


def environment() -> Path:
    """The python of an environment with neuralforecast, made on first use."""
    python = ENVIRONMENT / "bin/python"
    ready = ENVIRONMENT / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        install = [python, "-m", "pip", "install", "-q"]
        subprocess.run([*install, "torch==2.13.0"], check=True)
        subprocess.run([*install, "torch==2.13.0", "neuralforecast==3.3.*", "xlstm==2.0.6"], check=True)
        ready.touch()
    return python


def main() -> None:
    """Ours, as a process: ``python frameworks.py MODEL THREADS EPOCHS`` prints one line of JSON."""
    model, threads, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    began = time.perf_counter()
    import vdcast.train.workers  # noqa: F401

    __import__(f"vdcast.models.{model}.encoder")
    import_seconds = time.perf_counter() - began
    import torch

    from sample import budget, prepared, settings
    from vdcast.models.shared.forecaster import build
    from vdcast.models.shared.task import Task
    from vdcast.models.shared.windows import Windows
    from vdcast.train.copies import Copies
    from vdcast.train.data import TrainingData
    from vdcast.train.loop import fit_stack, run_epoch, validate
    from vdcast.train.meter import peak_memory_mb
    from vdcast.train.stack import Stack

    torch.set_num_threads(threads)
    run = budget(f"{model}-single_vd", network=NETWORKS[model], seeds=[0], epochs=epochs)
    task = Task.of(prepared(), settings(), run.mode)
    data = TrainingData.of(task, prepared(), "cpu")
    train, validation, test = data.train, data.validation, Windows(task, prepared().parts["test"])

    stack = Stack.build(run, data, Copies(seeds=[0], groups=[[0]]))
    epochs_took = []
    for _ in range(6):
        began = time.perf_counter()
        run_epoch(stack, stack.next_samples())
        epochs_took.append(time.perf_counter() - began)
    epoch_seconds = statistics.median(epochs_took[1:])

    began = time.perf_counter()
    fitted = fit_stack(run, data, Copies(seeds=[0], groups=[[0]]))
    wall = time.perf_counter() - began
    best = build(run.network, train.sizes, copies=1)
    best.load_state_dict(fitted.weights)
    test_mae = validate(best, test, stack.groups, data.scale, stack.levels)[0].item()
    result = {
        "windows_per_second": len(train) / epoch_seconds,
        "parameters": sum(p.numel() for p in best.parameters()),
        "epochs": len(fitted.seconds),
        "seconds": wall,  # its validation included
        "best_epoch": fitted.best_epoch[0],
        "best_validation": fitted.best_loss[0],
        "losses": fitted.figures[:, 0, 1].tolist(),
        "test": test_mae,  # the weights that it leaves are those of its best validation
        "test_at_best": test_mae,
        "persistence": {"validation": persistence(validation), "test": persistence(test)},
        "peak_mb": peak_memory_mb("cpu"),
        "import_seconds": import_seconds,
    }
    print(json.dumps(result))


def persistence(windows) -> list[float]:
    """Its MAE in scaled units over the valid observations of every window, and their number."""
    import torch

    L, error, count = windows.sizes.length, 0.0, 0
    for batch in windows.in_order(torch.tensor([[0]])):
        residual, seen = batch.x.split(1, dim=-1)  # (1, B, L, 1) of the one VD
        newest = (seen * torch.arange(1, L + 1)[:, None]).argmax(dim=2, keepdim=True)
        last = (residual + batch.usual[:, :, :L]).gather(2, newest)
        error += ((last - batch.y).abs() * batch.valid).sum().item()
        count += batch.valid.sum().item()
    return [error / count, count]


def output(command: list, folder: str) -> dict:
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[1]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def hour_of_week_mae(part, train, target: int, window) -> float:
    """Of the training part's mean of that hour of the week, on every window of ``part``."""
    import numpy as np

    from vdcast.baselines.naive import hour_of_week_mean
    from vdcast.data import calendar

    hour = calendar.hour_of_week(part.timestamps, part.time_zone)
    origin = np.arange(window.sequence_length - 1, len(hour) - window.prediction_length)
    ahead = origin[:, None] + np.arange(1, window.prediction_length + 1)
    profile = hour_of_week_mean(train, train.features)[:, target, 0]
    return float(np.nanmean(np.abs(part.values[ahead, target, 0] - profile[hour[ahead]])))


def frameworks_table(threads: int, epochs: int = 100) -> list[str]:
    import numpy as np

    from measure import table
    from sample import budget, prepared, settings
    from vdcast.data import calendar

    parts, target = prepared().parts, settings().modes.target_vd_index
    raw = np.concatenate([part.values[:, target, 0] for part in parts.values()])
    scaled = (raw - prepared().mean[target, 0]) / prepared().std[target, 0]
    times = np.concatenate([part.timestamps for part in parts.values()])
    rows, python = [], environment()
    for model, network in NETWORKS.items():
        run = budget(f"{model}-single_vd", network=network)
        ours = output(
            [sys.executable, HERE / "frameworks.py", model, str(threads), str(epochs)], folder=os.getcwd()
        )
        window = settings().window
        starts = len(parts["train"].timestamps) - window.sequence_length - window.prediction_length + 1
        steps = -(-starts // run.network.batch_size)
        job = {
            "model": model,
            "lookback": window.sequence_length,
            "horizon": window.prediction_length,
            "batch": run.network.batch_size,
            "width": 64,
            "layers": network.get("num_layers", network.get("num_blocks")),
            "learning_rate": run.network.learning_rate,
            "threads": threads,
            "seed": 0,
            "validation": len(parts["validation"].timestamps),
            "test": len(parts["test"].timestamps),
            "seconds": ours["seconds"],
            "steps": 2 * steps,
            "epoch_steps": steps,
            "interval": parts["train"].interval,
        }
        with tempfile.TemporaryDirectory() as folder:
            np.savez(
                Path(folder) / "job.npz",
                y=np.nan_to_num(scaled).astype("f4"),
                observed=np.isfinite(scaled),
                calendar=np.asarray(calendar.features(times, parts["train"].time_zone), "f4"),
            )
            (Path(folder) / "job.json").write_text(json.dumps(job), "utf-8")
            theirs = output([python, HERE / "neuralforecast_side.py", "job.npz", "job.json"], folder)
        reached = next(
            (e + 1 for e, loss in enumerate(ours["losses"]) if loss <= theirs["best_validation"]), None
        )
        unit = float(prepared().std[target, 0])
        for part, (mae, count) in ours["persistence"].items():
            theirs_mae, theirs_count = theirs["persistence"][part]
            if count != theirs_count or abs(mae - theirs_mae) > 1e-5:
                raise RuntimeError(
                    f"persistence on the {part} part: {mae} over {count} observations by ours, {theirs_mae} over "
                    f"{theirs_count} by neuralforecast's side; the windows are not the same"
                )
        for who, each in (("ours", ours), ("neuralforecast", theirs)):
            rows.append(
                {
                    "model": model,
                    "by": who,
                    "parameters": f"{each['parameters']:,}",
                    "training windows/s": f"{each['windows_per_second']:,.0f}",
                    "ratio": f"{each['windows_per_second'] / theirs['windows_per_second']:.2f}",
                    "epochs in equal seconds": f"{each['epochs']:.0f} in {ours['seconds']:.0f} s",
                    "its best validation MAE": f"{each['best_validation'] * unit:.3f}",
                    "at epoch": f"{each['best_epoch']:.0f}",
                    "reaches neuralforecast's best at epoch": (
                        f"{theirs['best_epoch']:.0f}" if who != "ours" else str(reached or "never")
                    ),
                    "test MAE of the weights it leaves": f"{each['test'] * unit:.3f}",
                    "of those of its best validation": f"{each['test_at_best'] * unit:.3f}",
                    "peak memory, MB": f"{each['peak_mb']:.0f}",
                    "import, s": f"{each['import_seconds']:.1f}",
                }
            )
    title = f"### Ours against {theirs['versions']}: one detector of the sample, {threads} threads"
    naive = ", ".join(
        f"{part} {mae * unit:.3f} over {count:,} observations"
        for part, (mae, count) in ours["persistence"].items()
    )
    by_hour = {
        name: hour_of_week_mae(parts[name], parts["train"], target, window) for name in ("validation", "test")
    }
    notes = [
        "MAE in veh/15min, one seed. Persistence scores the same on both sides, so the windows are the same: "
        f"{naive}. Ratio of windows/s is to neuralforecast's. neuralforecast leaves its last weights, ours those of "
        "the best validation.",
        "",
        "Which part is harder depends on what a forecast leans on: the mean of the hour of the week errs by "
        f"{by_hour['validation']:.3f} on the validation part and {by_hour['test']:.3f} on the test part, persistence "
        "the other way round. Our forecaster adds a change to the last observation; neuralforecast's networks do not.",
    ]
    return [title, "", *table(rows), "", *notes, ""]


if __name__ == "__main__":
    main()
