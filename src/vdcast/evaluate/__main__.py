"""Forecast the test part once, with a trained run, and score it.

    python -m vdcast.evaluate lstm-single_vd     # one run of params.yaml -> runs/lstm-single_vd/

Only this stage and ``baselines`` read the test part.
"""

import argparse

from vdcast.errors import one_sentence


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m vdcast.evaluate", description=__doc__.split("\n")[0])
    parser.add_argument("run", help="a key of `runs` in params.yaml, e.g. lstm-single_vd")
    name = parser.parse_args().run
    with one_sentence():
        from vdcast import params
        from vdcast.evaluate.run import evaluate
        from vdcast.language import speaking

        settings = params.load()
        with speaking(settings.report.language):
            evaluate(settings.run(name), settings)


if __name__ == "__main__":
    main()
