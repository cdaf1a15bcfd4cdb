"""Everything on one page, verdict first: reports/comparisons/ -> reports/index.html, report.md, summary.json.

python -m vdcast.report
"""

import argparse

from vdcast.errors import one_sentence


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.report", description=__doc__.split("\n")[0]).parse_args()
    with one_sentence():
        from vdcast import params
        from vdcast.language import speaking
        from vdcast.report.write import write_report

        settings = params.load()
        with speaking(settings.report.language):
            write_report(settings)


if __name__ == "__main__":
    main()
