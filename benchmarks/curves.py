"""Windows per second of training over sequence length, batch and number of detectors, as figures."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from encoders import LSTMSize, XLSTMSize, training_step
from loop import synthetic
from measure import medians, table
from sample import budget, data_of, task_of
from vdcast.params.modes import sharing_of
from vdcast.train.copies import stacks_of
from vdcast.train.loop import fit_stack

LENGTHS = (12, 20, 48, 128, 512)
BATCHES = (8, 32, 128, 512)
DETECTORS = (10, 30, 100, 300, 1000)


def curves(folder: Path, seconds: float) -> list[str]:
    """Tables, and a figure of each curve in ``folder``."""
    lines = []
    for title, axis, values in (
        ("sequence length, batch 32", "steps", LENGTHS),
        ("batch, 20 steps", "batch", BATCHES),
    ):
        rows = [{axis: value} | rates(axis, value, seconds) for value in values]
        draw(folder / f"{axis}.png", axis, rows)
        shown = [{key: f"{value:,.0f}" for key, value in row.items()} for row in rows]
        lines += [f"### Training windows/s over {title}", "", *table(shown), ""]
        lines += [f"![windows per second over {axis}]({folder.name}/{axis}.png)", ""]
    return lines


def rates(axis: str, value: int, seconds: float) -> dict[str, float]:
    """Windows per second of a step of LSTM 64x1, and of xLSTM 64x2 with an sLSTM block, and of their alternatives."""
    steps = value if axis == "steps" else 20
    batch = value if axis == "batch" else 32
    ms = {}
    for name, size in (("LSTM", LSTMSize(64, 1, 64)), ("xLSTM", XLSTMSize(64, 2, (1,), steps=steps))):
        other = {"LSTM": "nn.LSTM", "xLSTM": "package"}[name]
        x = torch.randn(1, batch, steps, 64)
        ms |= medians(  # each pair by itself: what ran before decides what is in the cache
            seconds / 2,
            **{
                f"{name}, ours": training_step(size.ours(1), x),
                f"{name}, {other}": training_step(size.other(), x[0]),
            },
        )
    return {who: 1e3 * batch / each for who, each in ms.items()}


RUNS = ("lstm-multi_vd", "xlstm-multi_vd", "lstm-independent_multi_vd", "xlstm-independent_multi_vd")


def trainings(folder: Path) -> list[str]:
    """Whole trainings as ``fit`` does them, over the number of detectors; each in a process of its own."""
    rates, memory = [], []
    for V in DETECTORS:
        rates.append({"detectors": V})
        memory.append({"detectors": V})
        for name in RUNS:
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawn) as process:
                rates[-1][name], memory[-1][name] = process.submit(training, name, V).result()
    draw(folder / "detectors.png", "detectors", rates, "observations forecast / CPU second of training")
    lines = []
    for title, rows in (
        ("Observations that a CPU second of training forecasts (windows x detectors x horizon)", rates),
        ("Peak memory of the training process, MB", memory),
    ):
        shown = [{key: f"{value:,.0f}" for key, value in row.items()} for row in rows]
        lines += [f"### {title}, over detectors", "", *table(shown), ""]
    return [*lines, f"![over detectors]({folder.name}/detectors.png)", ""]


def training(name: str, V: int) -> tuple[float, float]:
    """Two epochs of 256 windows by V synthetic detectors, on one thread: rate in the second one, and MB."""
    torch.set_num_threads(1)
    run = budget(name, seeds=[0], epochs=2, patience=2)
    train, validation = (synthetic(steps, V) for steps in (279, 55))
    data = data_of(task_of(train, sharing_of(run.mode)), train, validation)
    stacks = stacks_of(run, data.copies, "cpu")
    parts = [fit_stack(run, data, copies, number) for number, copies in enumerate(stacks)]
    seconds = sum(part.seconds[1] for part in parts)
    return len(data.train) * V * data.train.sizes.horizon / seconds, max(
        part.peak_memory_mb for part in parts
    )


def draw(path: Path, axis: str, rows: list[dict[str, float]], label: str = "training windows/s") -> None:
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    for who in [key for key in rows[0] if key != axis]:
        dashed = who.endswith(("nn.LSTM", "package", "-independent_multi_vd"))
        style = dict(color="C0" if who.lower().startswith("lstm") else "C1", ls="--" if dashed else "-")
        ax.plot([row[axis] for row in rows], [row[who] for row in rows], label=who, marker="o", **style)
    ax.set(xscale="log", yscale="log", xlabel=axis, ylabel=label)
    ax.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)
