"""Forecast the test part with every baseline, and say under which conditions: runs/naive/<baseline>/.

python -m vdcast.baselines
"""

import argparse

from vdcast.errors import one_sentence


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m vdcast.baselines", description=__doc__.split("\n")[0]
    ).parse_args()
    with one_sentence():
        from vdcast import params
        from vdcast.baselines.run import forecast_all

        forecast_all(params.load())


if __name__ == "__main__":
    main()
