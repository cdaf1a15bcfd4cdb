"""Train one run of params.yaml: data/prepared.h5 -> runs/<run>/model.pt, history.csv, training.json, metrics.json.

    python -m vdcast.train lstm-single_vd
    python -m vdcast.train lstm-single_vd --share 2/8    # on one of 8 machines: its part of the training
    torchrun --standalone --nproc-per-node 2 -m vdcast.train lstm-multi_vd    # by two processes together

Reads the training and validation parts alone; the test part is never loaded here. What is trained is
kept in .scratch/train/<run>/<key>/ after every epoch, and a training that was killed goes on from there.
Imports wait until the arguments are known: torch takes seconds that `--help` should not.
"""

import argparse
import re

from vdcast.errors import InputError, one_sentence


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.train", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a key of `runs` in params.yaml, e.g. lstm-single_vd")
    parser.add_argument(
        "--share",
        metavar="I/N",
        type=_share,
        help="train the I-th of N shares of the run's stacks of copies, I from 1, into .scratch/train alone; "
        "with all shares' files copied there, the training itself has nothing left to train",
    )
    arguments = parser.parse_args()
    with one_sentence():
        from vdcast import params
        from vdcast.models.shared.device import choose_device
        from vdcast.train import ranks
        from vdcast.train.kernel import settled
        from vdcast.train.run import train_run, train_share

        settings = params.load()
        asked = settings.run(arguments.run)
        device = choose_device(asked.train.device)
        with ranks.together(device):
            if arguments.share and ranks.world() > 1:
                raise InputError("--share and torchrun both cut up a training; use one of them")
            run = ranks.from_first(lambda: settled(asked, device))
            if arguments.share:
                train_share(run, settings, *arguments.share)
            else:
                train_run(run, settings)


def _share(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/N with I from 1 to N, e.g. 2/8")
    return int(found[1]), int(found[2])


if __name__ == "__main__":
    main()
