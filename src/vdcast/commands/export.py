"""A trained run as ONNX, which runs without vdcast and without torch.

    vdcast export lstm-multi_vd

Writes runs/lstm-multi_vd/model.onnx and model.json: what goes in (raw values and the time of the week) and what comes out, in
units. Both are compared at once, torch and ONNX Runtime, on windows of data/detectors.h5; where they differ nothing is left.
Needs the extra `onnx`: pip install 'vdcast[onnx]'.
"""

import argparse
from pathlib import Path

from vdcast.errors import InputError, one_sentence
from vdcast.layout import DETECTORS, RUNS


def main() -> None:
    parser = argparse.ArgumentParser(prog="vdcast export", description=__doc__.split("\n")[0])
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run of params.yaml, e.g. lstm-multi_vd")
    parser.add_argument(
        "--model", type=Path, metavar="FILE", help="a model.pt, in place of runs/RUN/model.pt"
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        default=DETECTORS,
        help=f"windows to compare on, in place of {DETECTORS}",
    )
    given = parser.parse_args()
    with one_sentence():
        if (given.run is None) == (given.model is None):
            raise InputError("name a run, e.g. lstm-multi_vd, or a file by --model, and not both")
        print(export(given.model or RUNS / given.run / "model.pt", given.data))


def export(model: Path, data: Path) -> Path:
    """The ONNX file that was written, beside ``model``."""
    from vdcast.data import store
    from vdcast.export import onnx_file
    from vdcast.live import recent
    from vdcast.models.shared.trained import Trained

    trained = Trained.load(model)
    task, table = trained.task, store.read(data)
    recent.check_fits(table, task, trained.run["name"])
    steps = min(len(table.timestamps), task.length + task.horizon + onnx_file.WINDOWS - 1)
    path = model.with_suffix(".onnx")
    onnx_file.export(trained, recent.aligned(table, task, steps=steps), path)
    return path
