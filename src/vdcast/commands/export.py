"""A trained run as ONNX, which runs without vdcast and without torch.

    vdcast export lstm-multi_vd

Writes runs/lstm-multi_vd/model.onnx and model.json: what goes in (raw values and the time of the week) and what comes out, in
units. Both are compared at once, torch and ONNX Runtime, on windows of data/detectors.h5; where they differ nothing is left.
Needs the extra `onnx`: pip install 'vdcast[onnx]'.
"""

from pathlib import Path

from vdcast.errors import one_sentence
from vdcast.layout import DETECTORS
from vdcast.live import arguments


def main() -> None:
    parser = arguments.naming("export", __doc__.split("\n")[0])
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FILE",
        default=DETECTORS,
        help=f"windows to compare on, in place of {DETECTORS}",
    )
    given = parser.parse_args()
    with one_sentence():
        print(export(arguments.model_file(given), given.data))


def export(model: Path, data: Path) -> Path:
    """The ONNX file that was written, beside ``model``."""
    from vdcast.data import store
    from vdcast.export import onnx_file
    from vdcast.live import recent
    from vdcast.models.shared.trained import Trained

    trained = Trained.load(model)
    task, table = trained.task, store.read(data)
    task.check_fits(table, trained.run["name"])
    steps = min(len(table.timestamps), task.length + task.horizon + onnx_file.WINDOWS - 1)
    path = model.with_suffix(".onnx")
    onnx_file.export(trained, recent.aligned(table, task, steps=steps), path)
    return path
