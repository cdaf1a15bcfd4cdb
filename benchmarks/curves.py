"""Windows per second of a training step over sequence length, batch and number of detectors, as figures."""

from pathlib import Path

import torch

from encoders import LSTMSize, XLSTMSize, training_step
from measure import medians, table

LENGTHS = (12, 20, 48, 128, 512)
BATCHES = (8, 32, 128, 512)
DETECTORS = (10, 30, 100, 300, 1000)


def curves(folder: Path, seconds: float) -> list[str]:
    """Tables, and a figure of each curve in ``folder``."""
    lines = []
    for title, axis, values in (
        ("sequence length, batch 32", "steps", LENGTHS),
        ("batch, 20 steps", "batch", BATCHES),
        ("detectors as one joint input, 20 steps, batch 32", "detectors", DETECTORS),
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
    named = {}
    for name, size in (("LSTM", LSTMSize(64, 1, 64)), ("xLSTM", XLSTMSize(64, 2, (1,), steps=steps))):
        other = {"LSTM": "nn.LSTM", "xLSTM": "package"}[name]
        detectors = value if axis == "detectors" else 64
        x = torch.randn(1, batch, steps, detectors)
        networks = {f"{name}, ours": size.ours(1), f"{name}, {other}": size.other()}
        for who, encoder in networks.items():
            if axis == "detectors":  # what meets the detectors is the projection in front, and the head
                encoder = torch.nn.Sequential(torch.nn.Linear(detectors, 64), encoder)
            named[who] = training_step(encoder, x if who.endswith("ours") else x[0])
    ms = medians(seconds, **named)
    return {who: 1e3 * batch / each for who, each in ms.items()}


def draw(path: Path, axis: str, rows: list[dict[str, float]]) -> None:
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    for who in [key for key in rows[0] if key != axis]:
        style = dict(color="C0" if who.startswith("LSTM") else "C1", ls="-" if who.endswith("ours") else "--")
        ax.plot([row[axis] for row in rows], [row[who] for row in rows], label=who, marker="o", **style)
    ax.set(xscale="log", yscale="log", xlabel=axis, ylabel="training windows/s")
    ax.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
    plt.close(figure)
