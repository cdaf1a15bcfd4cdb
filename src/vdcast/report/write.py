"""From the comparisons to the verdict, and to the pages that say it."""

from msgspec import structs

from vdcast.errors import InputError
from vdcast.escape import terminal
from vdcast.layout import REPORTS, SUMMARY
from vdcast.params.sections import Params
from vdcast.records import io
from vdcast.records.comparison import Comparison
from vdcast.report import page
from vdcast.report.controls import judged_controls
from vdcast.report.inputs import (
    dropped_in_words,
    read_charts,
    read_comparisons,
    read_controls,
    read_preparation,
    too_little,
)
from vdcast.report.judge import judge
from vdcast.report.markdown import report_markdown
from vdcast.report.searched import searched
from vdcast.report.summary import summary_of
from vdcast.scores import figures


def write_report(settings: Params) -> None:
    """summary.json, report.md and index.html, of the comparisons that params.yaml names."""
    modes = read_comparisons(settings.comparisons)
    preparation = read_preparation()
    dropped = dropped_in_words(preparation, settings.modes.target_vd_index)
    primary, margin = settings.evaluate.primary, settings.evaluate.margin
    verdict = judge(modes, primary=primary, margin=margin, dropped=dropped)
    controls = read_controls(settings.controls)
    verdict = structs.replace(
        verdict,
        weaknesses=[*verdict.weaknesses, *too_little(preparation), searched(settings, verdict.modes)],
        controls=judged_controls(controls, settings),
    )
    io.write(SUMMARY, summary_of(modes, verdict))
    (REPORTS / "report.md").write_text(report_markdown(modes, verdict), "utf-8")
    figures.cost(REPORTS / "cost.png", modes)
    scored = {mode: it for mode, it in modes.items() if isinstance(it, Comparison)}
    if not scored:
        raise InputError(f"no mode could be compared; {REPORTS}/report.md says why")
    page.write_page(scored, verdict, controls, *read_charts(scored))
    print(terminal(verdict.overall.words))
    print(
        f"open {page.PAGE} or read {REPORTS}/report.md; next: dvc plots show, or change a model: dvc exp run -S xlstm.num_blocks=8"
    )
