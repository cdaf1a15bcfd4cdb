"""Lay a run beside its control, the same model in the mode that lacks one thing: runs/ -> reports/comparisons/controls/.

python -m vdcast.control lstm-social
"""

import argparse

from vdcast.errors import InputError, one_sentence
from vdcast.layout import PARAMS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.control", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a key of `controls` in params.yaml, e.g. lstm-social")
    run = parser.parse_args().run
    with one_sentence():
        from vdcast import params
        from vdcast.control.run import control

        settings = params.load()
        if run not in settings.controls:
            allowed = ", ".join(settings.controls) or "none"
            raise InputError(f"run {run!r} has no control in {PARAMS}; those that have: {allowed}")
        control(settings.run(run), settings.run(settings.controls[run]), settings)


if __name__ == "__main__":
    main()
