"""A run that knows the detectors which came after its training, as a model of its own.

    vdcast adapt lstm-global_multi_vd       # runs/lstm-global_multi_vd/adapted.pt
    vdcast forecast --model runs/lstm-global_multi_vd/adapted.pt

Takes the last four weeks of data. A VD of which the run knows nothing gets the scale and the weekly profile of its own days, and
the mean of what the run has learnt of the others; the VDs that it was trained on stay as they are. That takes weights that all
detectors share: a run in global_multi_vd. Once a day is often enough.
"""

from pathlib import Path

from vdcast.errors import one_sentence
from vdcast.live import arguments


def main() -> None:
    parser = arguments.parser("adapt", __doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, metavar="FILE", help="in place of adapted.pt beside the model")
    given = parser.parse_args()
    with one_sentence():
        print(adapt(given))


def adapt(given) -> Path:
    """The file that was written."""
    from vdcast.live import newcomers
    from vdcast.live.source import source, warn

    of = source(given)
    history = of.observations(newcomers.steps(of.trained.task))
    adapted, left_out = newcomers.taken_on(of.trained, history)
    for sentence in left_out:
        warn(sentence)
    path = given.out or arguments.model_file(given).with_name("adapted.pt")
    adapted.save(path)
    return path
