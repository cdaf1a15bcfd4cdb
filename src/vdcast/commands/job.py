"""One stage in this clone, with data, results and half-finished training through the DVC remote.

    vdcast job train@lstm-single_vd

The unit of work of many machines: a CI job, a Slurm task and a Ray task run it, each in a clone of its own. It is

    dvc repro --pull --allow-missing TARGET && dvc pull TARGET && dvc push --run-cache --with-deps TARGET

with four things around it. First a file is written to the remote: one that refuses must say so before the training, not
after it. What dvc.lock knows and nobody has is made. What an unfinished training keeps in ``.scratch/train`` is copied
to the remote while it grows, and fetched at the start, so that another machine goes on where a lost one stopped. In the
end each object of the result is looked for in the remote.
"""

import argparse
import signal
import sys

from vdcast.errors import one_sentence
from vdcast.machines.clone import job
from vdcast.processes import end_at_eof


def main() -> None:
    parser = argparse.ArgumentParser(prog="vdcast job", description=__doc__.split("\n")[0])
    parser.add_argument("target", help="a stage of dvc.yaml, e.g. train@lstm-single_vd")
    parser.add_argument("--share", metavar="I/N", help="only the I-th of N shares of a training, I from 1")
    parser.add_argument(
        "--until-eof",
        action="store_true",
        help="stop when standard input closes, as it does when a parent is killed",
    )
    arguments = parser.parse_args()
    if arguments.until_eof:
        end_at_eof()
    ended = f"vdcast: {arguments.target} was ended by SIGTERM; run it again to go on"
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ended))
    with one_sentence():
        job(arguments.target, arguments.share)
