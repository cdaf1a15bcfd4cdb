"""Everything on one page, verdict first: reports/<mode>/ -> reports/index.html, report.md, summary.json.

python -m vdcast.report
"""

import argparse
import json

from vdcast.errors import InputError, one_sentence
from vdcast.layout import REPORTS


def main() -> None:
    argparse.ArgumentParser(prog="python -m vdcast.report", description=__doc__.split("\n")[0]).parse_args()
    with one_sentence():
        from vdcast import params
        from vdcast.params.modes import Modes
        from vdcast.report import page
        from vdcast.report.inputs import read_comparison, read_dropped
        from vdcast.report.judge import verdict
        from vdcast.report.markdown import as_markdown
        from vdcast.report.summary import summarise
        from vdcast.scores import figures

        modes = {mode: read_comparison(mode) for mode in Modes.model_fields}
        judged = verdict(modes)
        judged["warnings"] += read_dropped(modes, params.load())
        (REPORTS / "summary.json").write_text(json.dumps(summarise(modes, judged), indent=2) + "\n", "utf-8")
        (REPORTS / "report.md").write_text(as_markdown(modes, judged), "utf-8")
        figures.cost(REPORTS / "cost.png", modes)
        scored = {mode: summary for mode, summary in modes.items() if "scores" in summary}
        if not scored:
            raise InputError(f"no mode could be compared; {REPORTS}/report.md says why")
        page.write(scored, judged)
        for mode, each in judged["modes"].items():
            print(f"{mode}: {each['words']}")
        print(
            f"open {page.PAGE} or read {REPORTS}/report.md; next: dvc plots show, or change a model: dvc exp run -S xlstm.num_blocks=8"
        )


if __name__ == "__main__":
    main()
