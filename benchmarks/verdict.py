"""How often the verdict errs, and what it can show: simulated pages, judged by the code that judges real ones.

    python benchmarks/verdict.py            # some 5 minutes on one core
    python benchmarks/verdict.py --quick    # seconds, rough
    python benchmarks/verdict.py --before 99e8535   # the rule of that commit too, at the same budget

A page has three modes. Its pairs of models have errors by training, day and VD: what is common to a day (and like the
day before), a day's at one VD, a VD's, a training's, and a training's at one VD. How large these are is in
``CALM``, about the sample's (docs/results.md), and in ``WILD``, four times those. The tables are those of docs/results.md, "How often the rule errs".
Simpler forecasts have errors of the same kinds, without trainings. Runs and their controls have them too: of each model one with
weights for each VD, one with weights that all share, and one that hears of neighbours.
"""

import argparse
import itertools
import subprocess
import time
import types
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from vdcast.differences.components import Components, components
from vdcast.params.networks import MODELS
from vdcast.report.controls import CONTROLS_LEVEL
from vdcast.report.judge import LINES_LEVEL, PRIMARY_LEVEL, SECONDARY_LEVEL
from vdcast.scores.answers import LEVEL, half_width, holm, p_value, standard_error

PRIMARY = "multi_vd"
MARGINS = (0.02, 0.03, 0.05)
EFFECTS = (0.02, 0.03, 0.05, 0.1)
DAYS = (5, 7, 14, 28)


@dataclass(frozen=True)
class Sizes:
    """Standard deviations, shares of the error."""

    day: float
    cell: float
    vd: float
    seed: float
    copy: float


CALM = Sizes(day=0.006, cell=0.015, vd=0.006, seed=0.005, copy=0.008)
WILD = Sizes(day=0.024, cell=0.06, vd=0.024, seed=0.02, copy=0.032)


@dataclass(frozen=True)
class Setting:
    days: int = 5
    vds: int = 10
    seeds: int = 3
    correlation: float = 0.3
    sizes: Sizes = CALM
    heavy: bool = False  # Student's t of 3 degrees of freedom in place of the normal, for days
    weekend: float = (
        0.0  # by how much more one model is better on Saturday and Sunday, of no effect over a week
    )
    effect: float = 0.0


def errors(rng: np.random.Generator, it: Setting, pages: int, shared: bool) -> tuple[np.ndarray, np.ndarray]:
    """Mean absolute errors (pages, S, Y, V) of two models; the first one's are higher by ``effect``.

    Equal models differ by nothing over all days and all VDs like these; of one VD, over all its days.
    """
    S, Y, V, sizes = it.seeds, it.days, it.vds, it.sizes
    good = sizes.day * _days(rng, it, (pages, 1, 1, Y))
    if it.weekend:
        weekend = (np.arange(Y) + rng.integers(7, size=(pages, 1, 1, 1))) % 7 >= 5
        good = good + it.weekend * np.where(weekend, 5, -2) / 7
    good = (good + sizes.cell * _days(rng, it, (pages, 1, V, Y))).swapaxes(-1, -2)
    if V > 1:
        good = good + sizes.vd * rng.normal(size=(pages, 1, 1, V))
    level = np.exp(rng.normal(0, 0.5, size=(pages, 1, 1, V))) * np.exp(
        rng.normal(0, 0.2, size=(pages, 1, Y, 1))
    )
    found = []
    for sign in (0.5, -0.5):
        luck = sizes.copy * rng.normal(size=(pages, S, 1, V))
        if shared:
            luck = luck + sizes.seed * rng.normal(size=(pages, S, 1, 1))
        found.append(level * (1 + sign * (it.effect + good) + luck))
    return found[0], found[1]


def _days(rng: np.random.Generator, it: Setting, shape: tuple[int, ...]) -> np.ndarray:
    """Of variance 1, an autoregressive series along the last axis."""
    x = rng.standard_t(3, size=shape) / np.sqrt(3) if it.heavy else rng.normal(size=shape)
    for day in range(1, shape[-1]):
        x[..., day] = it.correlation * x[..., day - 1] + np.sqrt(1 - it.correlation**2) * x[..., day]
    return x


CASES: dict[str, dict] = {
    "days unlike": {"correlation": 0.0},
    "alike 0.3": {"correlation": 0.3},
    "alike 0.6": {"correlation": 0.6},
    "heavy tails": {"heavy": True},
    "weekends": {"weekend": 0.01},
}
LINES_BEFORE = 16  # two models, two simpler forecasts, four modes: what Holm's first step paid for


@dataclass(frozen=True)
class Pages:
    """Of each page, by mode: the difference, its standard error and degrees of freedom, (pages,) each."""

    relative: dict[str, np.ndarray]
    error: dict[str, np.ndarray]
    df: dict[str, np.ndarray]

    def low_and_high(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the primary mode."""
        half = half_width(self.error[PRIMARY], self.df[PRIMARY], PRIMARY_LEVEL)
        return self.relative[PRIMARY] - half, self.relative[PRIMARY] + half

    def different(self) -> np.ndarray:
        """(pages,) whether the primary mode's difference is called one."""
        low, high = self.low_and_high()
        return (low > 0) | (high < 0)

    def any_different(self) -> np.ndarray:
        """(pages,) whether any mode's is."""
        others = [mode for mode in self.relative if mode != PRIMARY]
        p = np.stack([p_value(self.relative[m], self.error[m], self.df[m]) for m in others], axis=1)
        called = [any(each < np.array(holm(list(each), SECONDARY_LEVEL))) for each in p]
        return self.different() | np.array(called)

    def equal(self, margin: float) -> np.ndarray:
        """(pages,) whether the primary mode's models are called equal."""
        low, high = self.low_and_high()
        return (-margin < low) & (high < margin) & ~self.different()


def simulated(rng: np.random.Generator, it: Setting, pages: int) -> Pages:
    found: dict[str, Components] = {}
    for mode, vds, shared in (
        (PRIMARY, it.vds, True),
        ("independent_multi_vd", it.vds, False),
        ("single_vd", 1, True),
    ):
        a, b = errors(rng, replace(it, vds=vds), pages, shared)
        found[mode] = components(a, b, np.ones((it.days, vds)), (shared, shared))
    judged = {mode: standard_error(each.variance, each.df) for mode, each in found.items()}
    return Pages(
        {mode: each.relative.mean(axis=-1) for mode, each in found.items()},
        {mode: error for mode, (error, _) in judged.items()},
        {mode: df for mode, (_, df) in judged.items()},
    )


def false_differences(rng: np.random.Generator, pages: int) -> pd.DataFrame:
    """The highest share of pages of equal models, over VDs, seeds and sizes, that call any difference."""
    rows = []
    for days in DAYS:
        row: dict[str, object] = {"test days": days}
        for name, case in CASES.items():
            shares = []
            for vds, seeds, sizes in itertools.product((1, 10, 20), (3, 10), (CALM, WILD)):
                found = simulated(rng, Setting(days=days, vds=vds, seeds=seeds, sizes=sizes, **case), pages)
                shares.append((found.any_different().mean(), found.different().mean()))
            page, primary = (max(each) for each in zip(*shares, strict=True))
            mean = np.mean([each[0] for each in shares])
            row[name] = f"{page:.1%} ({primary:.1%}), mean {mean:.1%}"
        rows.append(row)
    return pd.DataFrame(rows)


def decided(rng: np.random.Generator, pages: int) -> pd.DataFrame:
    """What 10 VDs show, days alike by 0.3."""
    rows = []
    for (name, sizes), days, seeds in itertools.product({"calm": CALM, "wild": WILD}.items(), DAYS, (3, 10)):
        it = Setting(days=days, seeds=seeds, sizes=sizes)
        row: dict[str, object] = {"": name, "test days": days, "seeds": seeds}
        equal = simulated(rng, it, pages)
        low, high = equal.low_and_high()
        row["half interval"] = f"{np.median(high - low) / 2:.1%}"
        for effect in EFFECTS:
            row[f"{effect:.0%} called"] = (
                f"{simulated(rng, replace(it, effect=effect), pages).different().mean():.0%}"
            )
        for margin in MARGINS:
            at = simulated(rng, replace(it, effect=margin), pages).equal(margin).mean()
            row[f"equal in {margin:.0%}"] = f"{equal.equal(margin).mean():.0%} ({at:.1%})"
        rows.append(row)
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Lines:
    """Of each page and model, over all horizons and at the nearest: (pages, models, 2) each."""

    relative: np.ndarray
    error: np.ndarray
    df: np.ndarray

    def different(self, level: float) -> np.ndarray:
        """Whether the interval at ``level`` lies beyond 0."""
        return np.abs(self.relative) > half_width(self.error, self.df, level)

    def called(self) -> np.ndarray:
        """What is called a difference: at the nearest horizon only after one over all."""
        return np.logical_and.accumulate(self.different(LINES_LEVEL), axis=-1)


def forecasts(
    rng: np.random.Generator, it: Setting, seeds: int, weekend: np.ndarray, shared: bool = True
) -> np.ndarray:
    """Errors (2, pages, seeds, Y, V) at a near and a far horizon, of mean 1; two differ by as much as two of ``errors`` do.

    What a day does is half the same at both horizons, and half of each. ``weekend`` (pages, 1, Y) says which days are.
    """
    pages, Y, V, sizes = len(weekend), it.days, it.vds, it.sizes
    day, cell = (
        sum(of_all * _days(rng, it, (horizons, pages, *shape, Y)) / 2 for horizons in (1, 2))
        for of_all, shape in ((sizes.day, (1, 1)), (sizes.cell, (1, V)))
    )
    good = (day + cell).swapaxes(-1, -2)  # (2, pages, 1, Y, V)
    if it.weekend:
        sign = rng.choice([-0.5, 0.5], size=(pages, 1, 1, 1))
        good = good + it.weekend * sign * np.where(weekend, 5, -2)[..., None] / 7
    good = good + (sizes.vd * (V > 1) * rng.normal(size=(pages, 1, 1, V))) / np.sqrt(2)
    if seeds > 1:
        good = good + sizes.copy * rng.normal(size=(pages, seeds, 1, V))
        if shared:
            good = good + sizes.seed * rng.normal(size=(pages, seeds, 1, 1))
    return 1 + good


def lines(rng: np.random.Generator, it: Setting, pages: int, simple: int = 4) -> Lines:
    """Two models against the best of some simpler forecasts, chosen on as many days before the first test day.

    The simpler ones are equal in truth; a model's error is higher by ``it.effect`` at the far horizon, and by none at the near.
    """
    twice = replace(it, days=2 * it.days)
    level = np.exp(rng.normal(0, 0.5, size=(pages, 1, 1, it.vds))) * np.exp(
        rng.normal(0, 0.2, size=(pages, 1, 2 * it.days, 1))
    )
    weekend = (np.arange(2 * it.days) + rng.integers(7, size=(pages, 1, 1))) % 7 >= 5
    candidates = np.stack([level * forecasts(rng, twice, 1, weekend) for _ in range(simple)])
    models = np.stack([level * forecasts(rng, twice, it.seeds, weekend) for _ in MODELS])
    models[:, 1] *= 1 + 2 * it.effect  # over both horizons, by the effect
    found = []
    for steps in (slice(None), slice(1)):
        mae = candidates[:, steps, :, :, : it.days].sum(axis=(1, 3, 4))  # (simple, pages, V)
        best = (mae / mae.mean(axis=0)).mean(axis=-1).argmin(axis=0)
        b = candidates[:, steps, :, :, it.days :].sum(axis=1)[best, np.arange(pages)]
        count = np.ones((it.days, it.vds))
        each = [components(a[steps, :, :, it.days :].sum(axis=0), b, count, (True, True)) for a in models]
        judged = [standard_error(of_model.variance, of_model.df) for of_model in each]
        found.append(
            [(of_model.relative.mean(axis=-1), *pair) for of_model, pair in zip(each, judged, strict=True)]
        )
    return Lines(*np.moveaxis(np.array(found), (0, 1, 2, 3), (3, 2, 0, 1)))  # from (2, models, 3, pages)


def false_losses(rng: np.random.Generator, pages: int) -> pd.DataFrame:
    """The highest share of pages, over VDs and sizes, that call a difference to a simpler forecast where there is none."""
    rows = []
    for days in DAYS:
        row: dict[str, object] = {"test days": days}
        for name, case in CASES.items():
            equal, near = [], []
            for vds, sizes in itertools.product((1, 10, 20), (CALM, WILD)):
                it = Setting(days=days, vds=vds, sizes=sizes, **case)
                equal.append(lines(rng, it, pages).called().any(axis=(1, 2)).mean())
                ahead = lines(rng, replace(it, effect=-0.2), pages)
                near.append(ahead.called()[..., 1].any(axis=1).mean())
            row[name] = f"{max(equal):.1%}, mean {np.mean(equal):.1%} ({max(near):.1%})"
        rows.append(row)
    return pd.DataFrame(rows)


def losses(rng: np.random.Generator, pages: int) -> pd.DataFrame:
    """What ten VDs and three seeds show against a simpler forecast, days alike by 0.3; in brackets by the rule before."""
    rows = []
    for (name, sizes), days in itertools.product({"calm": CALM, "wild": WILD}.items(), DAYS):
        it = Setting(days=days, sizes=sizes)
        found = lines(rng, it, pages)
        half = half_width(found.error, found.df, LINES_LEVEL)[..., 0]
        old = half_width(found.error, found.df, LEVEL / LINES_BEFORE)[..., 0]
        row: dict[str, object] = {"": name, "test days": days}
        row["half interval"] = f"{np.median(half):.1%} ({np.median(old):.1%})"
        for effect in (0.03, 0.05, 0.1, 0.2):
            at = lines(rng, replace(it, effect=effect), pages)
            now, then = (at.different(level)[..., 0].mean() for level in (LINES_LEVEL, LEVEL / LINES_BEFORE))
            row[f"{effect:.0%} called"] = f"{now:.0%} ({then:.0%})"
        rows.append(row)
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Added:
    """Of each page, by comparison: shared weights against weights apart, neighbours against none, of either model."""

    relative: np.ndarray  # (pages, 4)
    error: np.ndarray
    df: np.ndarray

    def called(self) -> np.ndarray:
        """(pages, 4) what is called a difference, by Holm."""
        p = p_value(self.relative, self.error, self.df)
        return np.array([row < holm(list(row), CONTROLS_LEVEL) for row in p])


def added(rng: np.random.Generator, it: Setting, pages: int) -> Added:
    """Of runs that are equal but for ``it.effect``, by which neighbours make the error of either model lower."""
    level = np.exp(rng.normal(0, 0.5, size=(pages, 1, 1, it.vds))) * np.exp(
        rng.normal(0, 0.2, size=(pages, 1, it.days, 1))
    )
    weekend = (np.arange(it.days) + rng.integers(7, size=(pages, 1, 1))) % 7 >= 5
    found, count = [], np.ones((it.days, it.vds))
    for _ in MODELS:
        apart, alone, near = (
            level * forecasts(rng, it, it.seeds, weekend, shared)[0] for shared in (False, True, True)
        )
        found.append(components(alone, apart, count, (True, False)))
        found.append(components(near * (1 - it.effect), alone, count, (True, True)))
    judged = [standard_error(each.variance, each.df) for each in found]
    error, df = (np.stack(each, axis=1) for each in zip(*judged, strict=True))
    return Added(np.stack([each.relative.mean(axis=-1) for each in found], axis=1), error, df)


def false_additions(rng: np.random.Generator, pages: int) -> pd.DataFrame:
    """The highest share of pages, over VDs, seeds and sizes, on which a mode is said to add what it does not."""
    rows = []
    for days in DAYS:
        row: dict[str, object] = {"test days": days}
        for name, case in CASES.items():
            shares = [
                added(rng, Setting(days=days, vds=vds, seeds=seeds, sizes=sizes, **case), pages).called()
                for vds, seeds, sizes in itertools.product((10, 20), (3, 10), (CALM, WILD))
            ]
            of_pages = [each.any(axis=1).mean() for each in shares]
            row[name] = f"{max(of_pages):.1%}, mean {np.mean(of_pages):.1%}"
        rows.append(row)
    return pd.DataFrame(rows)


def additions(rng: np.random.Generator, pages: int) -> pd.DataFrame:
    """How often 20 VDs and three seeds show that neighbours help a model, days alike by 0.3."""
    rows = []
    for (name, sizes), days in itertools.product({"calm": CALM, "wild": WILD}.items(), DAYS):
        row: dict[str, object] = {"": name, "test days": days}
        for effect in EFFECTS:
            found = added(rng, Setting(days=days, vds=20, sizes=sizes, effect=effect), pages).called()
            row[f"{effect:.0%} called"] = f"{found[:, 1].mean():.0%}"
        rows.append(row)
    return pd.DataFrame(rows)


def before(rng: np.random.Generator, revision: str, pages: int) -> pd.DataFrame:
    """A difference of 5 % called by today's rule and by that of ``revision``, on the same pages.

    That one called it where p times 9, for nine comparisons on a page, was below 0.05. Its bootstrap and
    Diebold-Mariano test, which could only take a verdict away, are left out.
    """
    source = subprocess.run(
        ["git", "show", f"{revision}:src/vdcast/compare/significance.py"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    old = types.ModuleType("old")
    __import__("sys").modules["old"] = old  # where its dataclass looks itself up
    exec(compile(source, "old", "exec"), old.__dict__)
    old.bootstrap = lambda table: (0.0, 0.0)
    rows = []
    for (name, sizes), days in itertools.product({"calm": CALM, "wild": WILD}.items(), DAYS):
        row: dict[str, object] = {"": name, "test days": days}
        for shared, mode in ((True, PRIMARY), (False, "independent_multi_vd")):
            a, b = errors(rng, Setting(days=days, sizes=sizes, effect=0.05), pages, shared)
            found = components(a, b, np.ones((days, 10)), (shared, shared))
            error, df = standard_error(found.variance, found.df)
            now = p_value(found.relative.mean(axis=-1), error, df) < PRIMARY_LEVEL
            dates = np.arange(days)[:, None]
            then = [
                9 * old.difference(*(each[i][:, :, None] for each in (a, b)), dates).p < LEVEL
                for i in range(pages)
            ]
            row[mode] = f"{now.mean():.0%} ({np.mean(then):.0%})"
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few pages a case: seconds, rough")
    parser.add_argument("--before", metavar="REVISION", help="a commit whose rule is compared")
    given = parser.parse_args()
    rng, began = np.random.default_rng(0), time.process_time()
    pages = 100 if given.quick else 2000
    tables = {"False differences": false_differences(rng, pages), "Decided": decided(rng, pages)}
    again = np.random.default_rng(1)
    tables |= {"False losses": false_losses(again, pages // 2), "Losses": losses(again, pages // 2)}
    third = np.random.default_rng(2)
    tables |= {
        "False additions": false_additions(third, pages // 2),
        "Additions": additions(third, pages // 2),
    }
    if given.before:
        tables["A difference of 5 %"] = before(rng, given.before, min(pages, 300))
    for title, table in tables.items():
        print(f"## {title}\n\n{table.to_markdown(index=False, disable_numparse=True)}\n")
    print(f"{pages} pages a case, {time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
