"""``reports/index.html``: the whole result as one file for people, that needs no network.

Written by the stage ``report``. Its looks stand in ``templates/`` (``index.html``, ``.css``, ``.js``),
what its charts draw in ``page_data.py``. Verdicts and tables are in the HTML itself; the script draws
charts and the list of VDs. Everything that comes from data is escaped.
"""

import base64
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib import metadata, resources
from pathlib import Path

import jinja2
import msgspec
from markdown_it import MarkdownIt
from markupsafe import Markup

from vdcast.escape import terminal
from vdcast.forecasts.series import Series
from vdcast.language import Figure, feature, placed, say, sentences, some, spoken, text
from vdcast.layout import PARAMS, QUALITY, REPORTS
from vdcast.params.networks import MODELS
from vdcast.params.times import minutes
from vdcast.records import io
from vdcast.records.charts import Charts
from vdcast.records.comparison import Comparison, Scores, Spent
from vdcast.records.control import Control
from vdcast.records.quality import REMARKS, Quality, SeriesQuality
from vdcast.records.summary import Verdict
from vdcast.report import page_data
from vdcast.report.controls import by_mode, gains, heading, rule
from vdcast.report.inputs import read_bytes
from vdcast.report.map import HEIGHT, map_of
from vdcast.report.provenance import commit
from vdcast.report.words import percent, share
from vdcast.scores import intervals
from vdcast.scores.names import cut_label, label
from vdcast.scores.tables import further_targets
from vdcast.scores.words import LATENCY_BATCH, all_modes, seeds_in_words, sentence, significant
from vdcast.vega import vega

PAGE = REPORTS / "index.html"
SECTIONS = ("verdict", "costs", "modes", "neighbours", "detectors", "data", "settings", "reproduce", "words")
LISTED = 20  # series and bad files in the section on data
NAMED = 5  # series and files in a sentence
CUTS = ("day", "age", "peak", "congestion", "missing")  # of a comparison, beside those that are charts


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the results come from: the data, the settings, the code."""

    quality: Quality
    coverage: str  # PNG in base64
    prepared: str  # Markdown
    settings: str  # YAML
    commit: dict | None
    experiment: str  # its name; empty outside of one


def write_page(
    comparisons: Mapping[str, Comparison],
    verdict: Verdict,
    controls: Sequence[Control],
    charts: Mapping[str, Charts],
    series: Mapping[str, Series],
) -> None:
    """Write the page, of the modes that could be compared."""
    first = next(iter(comparisons.values()))
    data = page_data.merged(charts, series, target_vd=first.target_vd, baseline=first.best_naive)
    coverage = read_bytes(QUALITY.with_name("coverage.png"), "quality")
    origin = Origin(
        quality=io.read(QUALITY, Quality, "ingest"),
        coverage=base64.b64encode(coverage).decode("ascii"),
        prepared=read_bytes(REPORTS / "prepare.md", "prepare").decode("utf-8"),
        settings=read_bytes(PARAMS, "prepare").decode("utf-8"),
        commit=commit(Path()),
        experiment=os.environ.get("DVC_EXP_NAME", ""),  # set by `dvc exp run`
    )
    PAGE.write_text(render(comparisons, verdict, controls, data, origin), "utf-8")


def render(
    comparisons: Mapping[str, Comparison],
    verdict: Verdict,
    controls: Sequence[Control],
    data: dict,
    origin: Origin,
) -> str:
    """The page as HTML. ``data`` is of ``page_data.merged``."""
    hearing = [it for it in controls if it.neighbourhood]
    gained = {it.model: rows for it in hearing if (rows := gains(it))}
    facts = _facts(comparisons, verdict, data) | {"gains": gained}
    return _environment().get_template("index.html").render(
        **_about_results(comparisons, verdict, data, facts),
        **_about_neighbours(hearing[0] if hearing else None),
        sections={name: say(f"report.page.section.{name}") for name in SECTIONS if hearing or name != "neighbours"},
        gained=gained,
        **_about_data(origin.quality),
        coverage=origin.coverage,
        prepared=_html(origin.prepared.partition("\n")[2]),
        settings=Markup("\n").join(map(terminal, origin.settings.split("\n"))),
        commit=origin.commit,
        experiment=origin.experiment,
        versions={"python": platform.python_version()}
        | {name: metadata.version(name) for name in ("vdcast", "torch", "xlstm", "dvc", "numpy")},
        packed=page_data.packed(facts | data | {"vds": list(map(terminal, data["vds"]))}),
    )  # fmt: skip


def _everyone(comparison: Comparison) -> list[str]:
    """The models, then their ensembles and the baselines."""
    return [*MODELS, *(name for name in comparison.scores["target_vd"] if name not in MODELS)]


def _facts(comparisons: Mapping[str, Comparison], verdict: Verdict, data: dict) -> dict:
    """What the script needs beside what the charts draw."""
    first = next(iter(comparisons.values()))
    everyone = _everyone(first)
    return {
        "target": terminal(feature(first.target)),
        "unit": terminal(first.unit),
        "target_vd": terminal(first.target_vd),
        "models": MODELS,
        "everyone": [name for name in everyone if name in data["modes"][first.mode]["errors"]],
        "margin": verdict.margin,
        "labels": {who: label(who) for who in (*everyone, "observed")},
        "words": {key: text(f"report.{key}") for key in sentences("report") if key.startswith("script.")},
        "differences": {
            mode: {key: getattr(rows[0], key) for key in ("relative", "low", "high")}
            | {"better": verdict.modes[mode].better}
            for mode, rows in verdict.differences.items()
            if rows[0].relative is not None
        },
        "costs": [
            {"mode": mode, "model": model, "label": label(model)}
            | {"mae": it.scores["target_vd"][model].mae, **msgspec.structs.asdict(it.cost[model])}
            for mode, it in comparisons.items()
            for model in MODELS
        ],
    }


def _about_results(comparisons: Mapping[str, Comparison], verdict: Verdict, data: dict, facts: dict) -> dict:
    """What the template says of verdict, figures and charts."""
    first = next(iter(comparisons.values()))
    everywhere = len(comparisons) == len(verdict.modes) > 1
    return {
        "comparisons": comparisons,
        "first": first,
        "models": MODELS,
        "everyone": _everyone(first),
        "drawn": facts["everyone"],
        "shown": {*MODELS, data["baseline"]},
        "labels": facts["labels"],
        "adds": by_mode(verdict.controls),
        "what_adds": heading(verdict.controls),
        "rule_of_controls": rule(verdict.margin, verdict.controls),
        "sentence": sentence,
        "glossary": _glossary(),
        "between": say("language.between"),
        "cut_label": _cut_label,
        "margin": share(verdict.margin),
        "best": lambda rows: _sort_by_mae(rows)[0],
        "verdict": verdict,
        "cuts": CUTS,
        "cost_titles": {name: _cost_title(name) for name in Spent.__struct_fields__},
        "horizon": _span(data["minutes"][-1]),
        "tested": _tested(data),
        "seeded": first.seeds > 1,
        "seeds": seeds_in_words(first.seeds),
        "thinned": thinned(data),
        "same_in": all_modes(len(comparisons)) if everywhere else "",
        "further": _html("\n".join(further_targets(comparisons)[1:])),
        "quantiles": _html("\n".join(intervals.page_section(comparisons)[1:])),
    }


def _about_neighbours(it: Control | None) -> dict:
    """What the template says of who hears of whom, of a run that hears of neighbours: which model it is does not matter."""
    if it is None or (near := it.neighbourhood) is None:
        return {"map": None}
    drawn = map_of(near)
    lost = [it.vds[v] for v in drawn.lost]
    return {
        "map": drawn,
        "near": near,
        "map_vds": it.vds,
        "map_height": HEIGHT / 16,  # rem
        "lost": say("report.page.map_lost", number=len(lost), names=some(lost, NAMED)) if lost else "",
    }


def _about_data(quality: Quality) -> dict:
    """What the template says of the data."""
    causes = (cause for it in quality.missing.values() for cause in it.by_cause)
    return {
        "quality": quality,
        "causes": list(dict.fromkeys(causes)),
        "worst": sorted(quality.series, key=lambda it: (-it.missing, -it.longest_gap))[:LISTED],
        "suspicious": suspicious(quality.series),
        "listed": LISTED,
        "named": NAMED,
    }


def thinned(data: dict) -> str:
    """What the page does not carry, in words."""
    series, minutes = data["series"], data["minutes"]
    horizons, step = len(series["horizons"]), f"{series['step']:g}"
    said = [say("report.page.thinned", shown=horizons, horizons=len(minutes), step=step)]
    if len(series["vds"]) < len(data["vds"]):
        said.append(say("report.page.thinned_vds", carried=len(series["vds"]), vds=len(data["vds"])))
    return say("language.between").join([*said, say("report.page.whole")])


def suspicious(series: Sequence[SeriesQuality]) -> list[str]:
    """A sentence for each kind of series that no model can learn from."""
    found = []
    for remark in REMARKS:
        names = [
            say("report.page.series_of", vd=it.vd, feature=feature(it.feature))
            for it in series
            if it.verdict == remark
        ]
        if names:
            said = some(names, NAMED)
            found.append(say(f"report.page.suspicious.{remark}", number=len(names), names=said))
    return found


def _cut_label(cut: str, name: str) -> str:
    """Of what a row of the table of circumstances is."""
    if cut == "age":
        return say("report.page.of_age", days=name)
    said = cut_label(cut, name)
    return say("report.page.missing_input", share=said) if cut == "missing" else said


def _cost_title(name: str) -> str:
    """As in the reports, but for operations, which are whole here."""
    if name == "flops_per_window":
        return say("report.page.operations")
    return say(f"scores.cost.{name}", windows=LATENCY_BATCH)


def _glossary() -> list[tuple[Markup, Markup]]:
    """Words and what they mean, as HTML."""
    inline = MarkdownIt("js-default").renderInline
    names = [key.removesuffix(".word") for key in sentences("report") if key.endswith(".word")]
    return [
        (Markup(inline(text(f"report.{name}.word"))), Markup(inline(text(f"report.{name}.means"))))
        for name in names
    ]


def _html(markdown: str) -> Markup:
    """HTML within ``markdown`` is not let through."""
    return Markup(MarkdownIt("js-default").render(markdown))


def _environment() -> jinja2.Environment:
    templates = resources.files("vdcast.report") / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (templates / name).read_text("utf-8")),
        autoescape=True,
        finalize=_legible,  # autoescape lets through what cannot be seen
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fixed": _fixed,
        "signed": _signed,
        "percent": _percent,
        "thousands": _thousands,
        "significant": significant,
        "sort_by_mae": _sort_by_mae,
        "wrappable": _wrappable,
    }
    environment.globals |= {
        "unset": msgspec.UNSET,
        "say": _say,
        "minutes": minutes,
        "in_percent": lambda value: percent(value)[0],
        "feature": feature,
        "spoken": spoken,
        "css": Markup((templates / "index.css").read_text("utf-8")),
        "js": Markup((templates / "index.js").read_text("utf-8")),
        "vega": Markup(vega("window.vegaEmbed = vegaEmbed;")),
    }
    return environment


def _say(key: str, **figures: Figure) -> Markup:
    """``say``, in which our own tags stay and what stands in the places is text."""
    shown = {name: _legible(placed(figure)) for name, figure in figures.items()}
    return Markup(text(key)).format(**shown)


def _legible(value: object) -> object:
    """What the template puts out: text as one line that hides nothing; Markup is ours and stays."""
    return terminal(value) if isinstance(value, str) and not isinstance(value, Markup) else value


# what is undefined says so: a blank cell could be anything
def _fixed(value: float | None, digits: int = 2) -> str:
    return say("language.undefined") if value is None else f"{value:.{digits}f}"


def _signed(value: float | None) -> str:
    return say("language.undefined") if value is None else f"{value:+.2f}"


def _percent(share: float | None, digits: int = 1) -> str:
    return say("language.undefined") if share is None else f"{share:.{digits}%}" if share else "0"


def _thousands(value: float | None) -> str:
    return say("language.undefined") if value is None else f"{value:,.0f}"


def _wrappable(name: str) -> Markup:
    """A name that a narrow column may break after an underscore."""
    return Markup("_<wbr>").join(name.split("_"))


def _sort_by_mae(rows: Mapping[str, Scores]) -> list[str]:
    """The names, lowest MAE first."""

    def mae(who: str) -> float:
        found = rows[who].mae
        return float("inf") if found is None else found

    return sorted(rows, key=mae)


def _span(minutes: float) -> str:
    if minutes < 120:
        return say("report.page.minutes", number=f"{minutes:g}")
    return say("report.page.hours", number=f"{minutes / 60:g}")


def _tested(data: dict) -> str:
    """From which to which day the forecasts are."""
    epoch = page_data.EPOCH
    first, last = (epoch + timedelta(minutes=data["series"]["times"][i]) for i in (0, -1))
    return text("report.page.days").format(first=first, last=last)
