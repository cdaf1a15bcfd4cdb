"""`dvc repro` with the runs trained side by side.

    vdcast repro -j 2                  # everything
    vdcast repro compare@multi_vd      # what a target needs
    vdcast repro --ray auto            # the runs on a Ray cluster, see docs/many_machines.md
    vdcast repro --dry                 # only names the stages that would run

First the stages that runs share, then every stale run as a `dvc repro -s` of its own, then a plain
`dvc repro`, which finds them trained. A run that fails stops no other one. What each said is in
`.scratch/logs/<run>.log`.
"""

import argparse
import contextlib
import fcntl
import os
import signal
import sys
from collections.abc import Iterator

from vdcast import params
from vdcast.errors import one_sentence
from vdcast.layout import LOGS, REPRO_LOCK
from vdcast.machines.dvc_cli import would_run
from vdcast.machines.on_ray import repro_on_ray
from vdcast.machines.side_by_side import repro_side_by_side
from vdcast.processes import INTERRUPTS


def main() -> None:
    parser = argparse.ArgumentParser(prog="vdcast repro", description=__doc__.split("\n")[0])
    parser.add_argument("targets", nargs="*", help="stages, as for `dvc repro`; without one, all")
    parser.add_argument(
        "-j", "--jobs", type=_positive, metavar="N",
        help="runs trained at once; without it, as many as there are GPUs, or else CPUs",
    )  # fmt: skip
    parser.add_argument("--dry", action="store_true", help="only name the stages that would run")
    parser.add_argument(
        "--ray", metavar="ADDRESS",
        help="train on this Ray cluster: auto on one of its nodes, HOST:PORT, ray://HOST:10001",
    )  # fmt: skip
    cluster = parser.add_argument_group("with --ray")
    cluster.add_argument("--cpus", type=_positive, metavar="N", help="of a node, for one training; 1")
    cluster.add_argument("--gpus", type=_positive, metavar="N", help="of a node, for one training; none")
    cluster.add_argument(
        "--shares", type=_positive, metavar="N", help="pieces that each training is cut into; 1"
    )
    cluster.add_argument(
        "-S", dest="changes", action="append", metavar="KEY=A,B",
        help="a sweep: each combination an experiment, as of `dvc exp run`",
    )  # fmt: skip
    arguments = vars(parser.parse_args())
    targets, jobs, address, dry = (arguments.pop(name) for name in ("targets", "jobs", "ray", "dry"))
    options = {name: value for name, value in arguments.items() if value is not None}
    if address and jobs:
        parser.error(
            "-j is for one machine; with --ray the nodes take as many runs as --cpus and --gpus allow"
        )
    if options and not address:
        parser.error("--cpus, --gpus, --shares and -S go with --ray ADDRESS")
    if dry:
        with one_sentence():
            params.load()  # what would run must not stop at a wrong setting
            print("\n".join(would_run(targets)) or "nothing: all is up to date")
        return
    for number in INTERRUPTS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as SIGHUP is under nohup
            signal.signal(number, signal.default_int_handler)
    with one_sentence(), alone():
        if address:
            repro_on_ray(address, targets, **options)
        else:
            repro_side_by_side(targets, jobs)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Wait for what another `vdcast repro` here has begun, and say so.

    The lock ends with the last process that has it: this one's children get it too, and outlive a ``kill -9``
    of their parent, with what they write locked in DVC.
    """
    REPRO_LOCK.parent.mkdir(parents=True, exist_ok=True)
    with REPRO_LOCK.open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"vdcast: what another `vdcast repro` began here is under way (its runs say in {LOGS} how far they "
                "are); waiting for it to end",
                file=sys.stderr,
                flush=True,
            )
            fcntl.flock(file, fcntl.LOCK_EX)
        os.set_inheritable(file.fileno(), True)
        os.environ["DVC_NO_ANALYTICS"] = "1"  # what dvc leaves behind to report would hold the lock
        yield
