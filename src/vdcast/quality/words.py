"""``quality.md``."""

from collections.abc import Iterator, Sequence

from vdcast import escape
from vdcast.language import feature, say, some
from vdcast.params.times import minutes
from vdcast.records.quality import REMARKS, Quality, SeriesQuality

CAUSES = ("gap", "empty", "no_vehicle", "code", "impossible", "status")
LISTED = 20  # worst series, bad files and the like; quality.json has all
NAMED = 5  # in a sentence
WARN_MISSING = 0.2


def markdown(found: Quality) -> str:
    """The page; whatever comes from files is escaped."""
    lines = [
        f"# {say('quality.title', source=escape.markdown(found.source))}",
        "",
        say(
            "quality.about",
            steps=found.steps,
            interval=minutes(found.interval),
            first=found.first,
            last=found.last,
            time_zone=found.time_zone,
            detectors=found.detectors,
            located=found.located,
            features=[
                say("quality.of_unit", feature=_called(name), unit=escape.markdown(unit))
                for name, unit in zip(found.features, found.units, strict=True)
            ],
        ),
        "",
    ]
    if warnings := [f"- {warning}" for warning in _warnings(found)]:
        lines += [*warnings, ""]
    lines += [*_missing(found), "", *_pictures(), "", *_worst(found.series, found.interval), ""]
    lines += [*_read(found), *_files("bad", found.files.bad), *_files("passed_over", found.files.passed_over)]
    return "\n".join(lines) + "\n"


def _called(name: str) -> str:
    return escape.markdown(feature(name))


def _warnings(found: Quality) -> Iterator[str]:
    for remark in REMARKS:
        names = [
            escape.markdown(f"{it.vd} {feature(it.feature)}") for it in found.series if it.verdict == remark
        ]
        if names:
            yield say(f"quality.series.{remark}", number=len(names), names=some(names, NAMED))
    if lacking := [it for it in found.series if WARN_MISSING < it.missing < 1]:
        yield say("quality.lacking", number=len(lacking), share=WARN_MISSING)
    if found.silent:
        names = [*map(escape.markdown, found.silent)]
        yield say("quality.silent", number=len(names), names=some(names, NAMED))
    if found.files.bad:
        yield say("quality.skipped", number=len(found.files.bad))


def _missing(found: Quality) -> list[str]:
    """The table by cause, and what the causes are."""
    causes = {name: say(f"language.cause.{name}") for name in CAUSES}
    meant = [say(f"quality.meant.{name}", cause=called) for name, called in causes.items()]
    heads = [say("quality.head.feature"), say("quality.head.missing"), *causes.values()]
    rows = [
        [_called(name), _percent(it.share), *(_percent(it.by_cause.get(cause, 0)) for cause in causes)]
        for name, it in found.missing.items()
    ]
    title, shares = (
        say("quality.by_cause"),
        say("quality.shares", causes=say("language.semicolon").join(meant)),
    )
    return [f"## {title}", "", shares, "", *_table(heads, rows)]


def _pictures() -> list[str]:
    return [f"![{say(f'quality.picture.{name}')}]({name}.png)" for name in ("coverage", "missing")]


def _worst(series: Sequence[SeriesQuality], interval: int) -> list[str]:
    names = ("vd", "feature", "missing", "mostly", "longest_gap", "mean", "min", "max", "remark")
    worst = sorted(series, key=lambda it: (-it.missing, -it.longest_gap))[:LISTED]
    rows = [_of_series(it, interval) for it in worst]
    title = say("quality.worst", number=len(series))
    return [f"## {title}", "", *_table([say(f"quality.head.{name}") for name in names], rows)]


def _of_series(it: SeriesQuality, interval: int) -> list[str]:
    mostly = max(it.by_cause, key=lambda name: it.by_cause[name], default="")
    return [
        escape.markdown(it.vd),
        _called(it.feature),
        _percent(it.missing),
        say(f"language.cause.{mostly}") if mostly else "",
        minutes(it.longest_gap * interval),
        *("" if value is None else f"{value:g}" for value in (it.mean, it.min, it.max)),
        say(f"language.remark.{it.verdict}") if it.verdict else "",
    ]


def _read(found: Quality) -> list[str]:
    counted = [
        say("quality.counted", number=number, what=say(f"language.counted.{name}"))
        for name, number in found.counts.items()
    ]
    lines = [say("quality.files", number=found.files.read), *counted]
    return [f"## {say('quality.read')}", "", *(f"- {line}" for line in lines)]


def _files(what: str, names: Sequence[str]) -> list[str]:
    """A section on files that were not used; nothing where all were."""
    if not names:
        return []
    listed = [escape.markdown(name) for name in names[:LISTED]]
    more = [say("quality.more", number=len(names) - LISTED)] if len(names) > LISTED else []
    title = say(f"quality.not_used.{what}", number=len(names))
    return ["", f"## {title}", "", *(f"- {line}" for line in listed + more)]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, *rows)]
    return [lines[0], "|---" * len(heads) + "|", *lines[1:]]


def _percent(share: float) -> str:
    return f"{share:.2%}" if share else "0"
