"""What changed in the verdict between two revisions or experiments, as Markdown for a pull request.

    vdcast verdict                      # the last commit against what lies in the workspace
    vdcast verdict main exp-larger      # two branches, tags, commits or experiments

Reads reports/summary.json and the forecasts of each through DVC: from the workspace, the cache or the remote.
"""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vdcast.errors import InputError, one_sentence
from vdcast.escape import prose
from vdcast.language import say, speaking
from vdcast.layout import PARAMS, RUNS, SUMMARY
from vdcast.records.summary import ModeFigures, Summary
from vdcast.scores.names import MODEL_LABELS, NAIVE_FORECASTS
from vdcast.scores.words import sentence

if TYPE_CHECKING:
    from vdcast.forecasts.predictions import Predictions
    from vdcast.records.comparison import PairedDifference

Changes = Mapping[
    tuple[str, str], "PairedDifference | None"
]  # new against old, by mode and model; None: not known

HEADS = ("mode", "model", "mae", "error", "seconds", "parameters")
WORKSPACE = "workspace"


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="vdcast verdict",
        description="What changed in the verdict between two revisions or experiments, as Markdown.",
    )
    parser.add_argument("old", nargs="?", default="HEAD", help="a commit, branch, tag or experiment (HEAD)")
    parser.add_argument("new", nargs="?", default=WORKSPACE, help="the same, or: workspace (the default)")
    given = parser.parse_args(argv)
    with one_sentence():
        old, new = summary(given.old), summary(given.new)
        changed = changes(given.old, given.new, list(new.modes))
        with speaking(new.language):
            print(change_markdown(given.old, given.new, old, new, changed))


def summary(rev: str) -> Summary:
    """reports/summary.json at ``rev``. Raises InputError where there is no such revision or file."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.scm import RevError, SCMError

    if not Path("dvc.yaml").exists():
        raise InputError("dvc.yaml does not exist here; run from the folder that holds it")
    where = "here" if rev == WORKSPACE else f"at {rev}"
    try:
        files = DVCFileSystem(".", rev=None if rev == WORKSPACE else rev)
        return msgspec.json.decode(files.read_bytes(SUMMARY.as_posix()), type=Summary)
    except RevError:
        raise InputError(
            f"no revision or experiment {rev!r}; `git log` and `dvc exp show` list them"
        ) from None
    except FileNotFoundError:  # never made, or neither in the cache nor in a remote
        raise InputError(
            f"no {SUMMARY} {where}; make it with `dvc repro report`, or fetch what somebody pushed with `dvc "
            + ("pull report`" if rev == WORKSPACE else "fetch --all-commits report`")
        ) from None
    except msgspec.ValidationError as error:
        raise InputError(
            f"{SUMMARY} {where} is of another version of vdcast ({error}); run `dvc repro report` there"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{SUMMARY} {where} is damaged ({error}); run `dvc repro report`") from None
    except (DvcException, SCMError) as error:
        raise InputError(f"{SUMMARY} {where} cannot be read: {error}") from None


def changes(old: str, new: str, modes: Sequence[str]) -> Changes:
    """How far each model's errors changed from one revision to the other, on the same windows."""
    from vdcast.differences.paired import paired
    from vdcast.differences.tally import tally
    from vdcast.forecasts.predictions import check_same_windows
    from vdcast.params.modes import Sharing, sharing_of

    found: dict[tuple[str, str], PairedDifference | None] = {}
    for mode in modes:
        for model in MODEL_LABELS:
            both = {name: predictions(rev, mode, model) for name, rev in (("new", new), ("old", old))}
            known = {name: each for name, each in both.items() if each}
            found[mode, model] = None
            with suppress(InputError):  # of other windows
                if len(known) == len(both):
                    check_same_windows(known)
                    shared = sharing_of(mode) is not Sharing.APART
                    found[mode, model] = paired("new", "old", tally(known), (shared, shared))
    return found


def predictions(rev: str, mode: str, model: str) -> "Predictions | None":
    """Of the run that ``comparisons`` named at ``rev``; None where there was none, or its file is not to be had."""
    import yaml
    from dvc.api import DVCFileSystem

    from vdcast.forecasts import store

    files = DVCFileSystem(".", rev=None if rev == WORKSPACE else rev)
    with tempfile.TemporaryDirectory() as folder:
        try:
            run = yaml.safe_load(files.read_text(PARAMS.as_posix()))["comparisons"][mode][model]
            files.get_file((RUNS / run / "predictions.h5").as_posix(), f"{folder}/predictions.h5")
            return store.read_predictions(Path(folder) / "predictions.h5")
        except (FileNotFoundError, KeyError, TypeError, InputError):
            return None


def change_markdown(old_name: str, new_name: str, old: Summary, new: Summary, changed: Changes) -> str:
    """The change from ``old`` to ``new``: verdict by mode, then errors and cost by model."""
    was, now = (prose(each.verdict.overall.words) for each in (old, new))
    modes = list({**old.modes, **new.modes})
    lines = [f"### {say('commands.verdict.title', old=f'`{old_name}`', new=f'`{new_name}`')}", ""]
    answer = "commands.verdict.as_before" if was == now else "commands.verdict.before"
    lines += [say(answer, said=f"**{now}**", was=was), ""]
    lines += [prose(new.verdict.losses), ""]
    for mode in modes:
        lines += _answers(mode, old, new)
    if differ := [mode for mode in modes if not _same_observations(mode, old, new)]:
        names = [f"`{mode}`" for mode in differ]
        lines += ["", f"**{say('commands.verdict.other_observations', modes=names)}**"]
    return "\n".join([*lines, "", *_figures(modes, old, new, changed)])


def _answers(mode: str, old: Summary, new: Summary) -> list[str]:
    """One mode's verdict, and what it was."""
    before, after = (each.verdict.modes.get(mode) for each in (old, new))
    was, now = (
        prose(sentence(each.words)) if each else say("commands.verdict.none") for each in (before, after)
    )
    if was == now:
        return [f"- {_of_mode(mode, say('commands.verdict.as_before', said=now))}"]
    answers = [(each.status, each.better) if each else ("no_verdict", None) for each in (before, after)]
    changed = say(f"commands.verdict.{'same' if answers[0] == answers[1] else 'changed'}")
    return [
        f"- {_of_mode(mode, changed)}",
        f"  - {say('commands.verdict.now', said=now)}",
        f"  - {say('commands.verdict.was', said=was)}",
    ]


def _of_mode(mode: str, said: str) -> str:
    return say("commands.verdict.mode", mode=f"`{mode}`", said=said)


def _figures(modes: list[str], old: Summary, new: Summary, changed: Changes) -> list[str]:
    """A line per mode and model, and how to read what was measured of their forecasts."""
    change = say("commands.verdict.change")
    mode, model, mae, error, seconds, parameters = (say(f"commands.verdict.head.{name}") for name in HEADS)
    lines = [
        f"| {mode} | {model} | {mae} | {change} | {error} | | {seconds} | {change} | {parameters} | {change} |",
        "|---|---|--:|--:|--:|---|--:|--:|--:|--:|",
    ]
    unknown = f"{say('commands.verdict.unknown')} | -"
    measured = _measured(changed, new.verdict.margin)
    for mode in modes:
        both = [each.modes.get(mode, ModeFigures()) for each in (old, new)]
        for model, label in MODEL_LABELS.items():
            scores = [each.target_vd.get(model) for each in both]
            spent = [each.cost.get(model) for each in both]
            cells = [
                _change([each.mae if each else None for each in scores], ".3f"),
                measured.get((mode, model), unknown),
                _change([each.seconds if each else None for each in spent], ",.0f"),
                _change([each.parameters if each else None for each in spent], ",.0f"),
            ]
            lines.append(f"| `{mode}` | {label} | {' | '.join(cells)} |")
    return [*lines, "", say("commands.verdict.note")]


def _measured(changed: Changes, margin: float) -> dict[tuple[str, str], str]:
    """Two cells: the difference with its interval, all of the table together at 5 % (Holm), and what it says."""
    from vdcast.report.judge import evidence
    from vdcast.report.words import interval as in_words
    from vdcast.report.words import percent, share
    from vdcast.scores.answers import LEVEL, holm, interval, p_of

    known = {key: evidence(row) for key, row in changed.items() if row and row.variance is not None}
    same = f"{say('commands.verdict.nothing')} | {say('commands.verdict.same_forecasts')}"
    found = {key: same for key, each in known.items() if each.relative == 0}
    other = {key: each for key, each in known.items() if key not in found}
    levels = holm([p_of(each) for each in other.values()], LEVEL)
    for (key, each), level in zip(other.items(), levels, strict=True):
        at = interval(each, level, margin)
        assert each.relative is not None and at.low is not None and at.high is not None  # of a known variance
        change = percent(each.relative, signed=True)[0]
        measured = say("commands.verdict.measured", change=change, interval=in_words(at.low, at.high, level))
        found[key] = f"{measured} | {say(f'commands.verdict.status.{at.status}', margin=share(margin))}"
    return found


def _change(both: Sequence[float | None], spec: str) -> str:
    """Two cells: "old to new" and the change in per cent."""
    old, new = both
    if old is None or new is None:
        none = say("commands.verdict.nothing")
        was, now = (none if each is None else format(each, spec) for each in both)
        return f"{say('commands.verdict.from_to', old=was, new=now)} | -"
    if old == new:
        return f"{new:{spec}} | 0"
    said = say("commands.verdict.from_to", old=format(old, spec), new=format(new, spec))
    return f"{said} | {f'{new / old - 1:+.1%}' if old else '-'}"


def _same_observations(mode: str, old: Summary, new: Summary) -> bool:
    """Whether the naive forecasts that both have score the same: a model's settings do not touch them."""
    before, after = (each.modes.get(mode, ModeFigures()).target_vd for each in (old, new))
    both = [name for name in NAIVE_FORECASTS if name in before and name in after]
    return all(before[name].mae == after[name].mae for name in both)
