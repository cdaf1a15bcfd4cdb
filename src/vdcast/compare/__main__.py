"""Lay LSTM, xLSTM and the baselines of one mode side by side: runs/ -> reports/comparisons/<mode>/.

python -m vdcast.compare multi_vd
"""

import argparse

from vdcast.errors import InputError, one_sentence
from vdcast.layout import PARAMS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.compare", description=__doc__.split("\n")[0])
    parser.add_argument("mode", help="a key of `comparisons` in params.yaml, e.g. multi_vd")
    mode = parser.parse_args().mode
    with one_sentence():
        from vdcast import params
        from vdcast.compare.mode import compare
        from vdcast.language import speaking

        settings = params.load()
        if mode not in settings.comparisons:
            allowed = ", ".join(settings.comparisons)
            raise InputError(f"no comparison {mode!r} in {PARAMS}; its comparisons are: {allowed}")
        with speaking(settings.report.language):
            compare(mode, settings)


if __name__ == "__main__":
    main()
