"""The arguments that the commands on new data share; apart from what they take, so that ``--help`` is quick."""

import argparse
from pathlib import Path

from vdcast.errors import InputError
from vdcast.layout import RUNS


def naming(command: str, description: str) -> argparse.ArgumentParser:
    """With the arguments that ``model_file`` reads."""
    made = argparse.ArgumentParser(prog=f"vdcast {command}", description=description)
    made.add_argument("run", nargs="?", metavar="RUN", help="a run of params.yaml, e.g. lstm-multi_vd")
    made.add_argument("--model", type=Path, metavar="FILE", help="a model.pt, in place of runs/RUN/model.pt")
    return made


def model_file(arguments: argparse.Namespace) -> Path:
    """The model.pt that was named. Raises InputError where none was, or two."""
    if (arguments.run is None) == (arguments.model is None):
        raise InputError("name a run, e.g. lstm-multi_vd, or a file by --model, and not both")
    return arguments.model or RUNS / arguments.run / "model.pt"


def parser(command: str, description: str) -> argparse.ArgumentParser:
    """With the arguments that ``live.source.source`` reads."""
    made = naming(command, description)
    made.add_argument(
        "--data", type=Path, metavar="FILE", help="a table such as data/detectors.h5, in place of data.raw"
    )
    made.add_argument("--at", metavar="TIME", help="as of this time, e.g. 2026-10-01T05:00, in place of now")
    return made
