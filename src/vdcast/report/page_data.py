"""What the charts of ``reports/index.html`` draw: the modes' errors by horizon, hour and VD, and series over time.

Small enough for the page to carry: errors for every VD; series at a few horizons, rounded to a
thousandth of the largest observation or finer, for as many VDs as ``SERIES_LIMIT`` allows. The page
says which are left out.
"""

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np

from vdcast.data import calendar
from vdcast.errors import InputError
from vdcast.forecasts.series import Series
from vdcast.params.networks import MODELS
from vdcast.records.charts import Charts

SERIES_LIMIT = 3_000_000  # numbers in all series; about 6 MB of page
EPOCH = datetime(1970, 1, 1)


def merged(
    charts: Mapping[str, Charts],
    series: Mapping[str, Series],
    *,
    target_vd: str,
    baseline: str,
    limit: int = SERIES_LIMIT,
) -> dict:
    """Everything that the charts draw, as JSON types; ``charts`` and ``series`` are by mode.

    ``modes[mode]`` holds ``vds`` (numbers into ``vds``), ``history``, ``interval`` and ``errors[who]`` as ``Charts``
    has them. ``series`` is described in ``_series``.
    """
    check_same_times(series)
    vds = list(dict.fromkeys(vd for each in charts.values() for vd in each.vds))
    modes = {
        mode: {
            "interval": each.interval,
            "vds": [vds.index(vd) for vd in each.vds],
            "errors": msgspec.to_builtins(each.errors),
            "history": msgspec.to_builtins(each.history),
        }
        for mode, each in charts.items()
    }
    order = dict.fromkeys([vds.index(target_vd), *_most_telling(modes, len(vds))])
    carried = [
        v
        for v in order
        if all(vds[v] in series[mode].vd_ids for mode, each in modes.items() if v in each["vds"])
    ]
    return {
        "vds": vds,
        "minutes": next(iter(charts.values())).minutes,
        "modes": modes,
        "baseline": baseline,
        "series": _series(series, baseline, vds, carried, limit),
    }


def check_same_times(series: Mapping[str, Series]) -> None:
    """Refuse modes that were not evaluated on the same windows: they have no axis in common."""
    (first, reference), *others = series.items()
    for mode, each in others:
        if not np.array_equal(each.times, reference.times) or each.horizons != reference.horizons:
            raise InputError(
                f"{first} and {mode} were not evaluated on the same windows; run `dvc repro evaluate compare`"
            )


def packed(data: dict) -> str:
    """``data`` as JSON, gzip and base64: the same bytes for the same data, and harmless inside HTML."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def _most_telling(modes: Mapping[str, dict], V: int) -> list[int]:
    """The numbers of all VDs, those on which the two models differ most first."""
    difference = np.zeros(V)
    for mode in modes.values():
        a, b = (np.array(mode["errors"][model]["overall"]["each"], float)[:, 0] for model in MODELS)
        difference[mode["vds"]] = np.fmax(difference[mode["vds"]], np.abs(a - b))
    return np.argsort(-np.nan_to_num(difference), kind="stable").tolist()


def _series(
    series: Mapping[str, Series], baseline: str, vds: Sequence[str], order: Sequence[int], limit: int
) -> dict:
    """Observations and forecasts over time.

    ``times`` are local time as if it were UTC, in minutes, for scales that know no time zone. ``vds``
    are the VDs that have series: the first ones of ``order``, up to ``limit`` numbers in all. ``observed[vd]`` and
    ``forecasts[mode][who][horizon][vd]`` lie along ``times``, as multiples of ``step``, null where there is none; vd
    counts through ``vds``, where the mode has it. ``who`` is a model, the baseline (under ``naive``, of whichever
    mode has the VD), or with quantiles ``lstm_low``, ``lstm_high`` and so on: the ends of the model's widest
    interval, calibrated.
    """
    some = next(iter(series.values()))
    lines = {mode: _lines(each) for mode, each in series.items()}
    per_vd = len(some.times) * (1 + len(some.horizons) * (1 + sum(map(len, lines.values()))))
    kept = order[: max(1, limit // per_vd)]
    home = {v: next(each for each in series.values() if vds[v] in each.vd_ids) for v in kept}
    observed = [home[v].observed[:, home[v].vd_ids.index(vds[v])].astype(float) for v in kept]
    step = _step(np.stack(observed))
    nothing = np.full((len(some.horizons), len(some.times)), np.nan)

    def along_time(of_vd: Sequence[np.ndarray]) -> list:
        """One (h, T) per VD, as horizons of VDs."""
        return [
            [_integers(line[h].astype(float) / step) for line in of_vd] for h in range(len(some.horizons))
        ]

    forecasts = {
        mode: {
            who: along_time([line[:, :, at[vds[v]]] if vds[v] in at else nothing for v in kept])
            for who, line in lines[mode].items()
        }
        for mode, at in ((mode, {vd: i for i, vd in enumerate(each.vd_ids)}) for mode, each in series.items())
    }
    naive = [home[v].forecasts[baseline][:, :, home[v].vd_ids.index(vds[v])] for v in kept]
    local = calendar.local(some.times, some.time_zone).tz_localize(None)
    return {
        "times": (local.astype("datetime64[s]").asi8 // 60).tolist(),
        "horizons": list(some.horizons),
        "vds": list(kept),
        "step": step,
        "observed": [_integers(line / step) for line in observed],
        "forecasts": forecasts | {"naive": {baseline: along_time(naive)}},
    }


def _lines(series: Series) -> dict[str, np.ndarray]:
    """(h, T, V) of each model, and of the ends of its interval."""
    found = {}
    for model in MODELS:
        found[model] = series.forecasts[model]
        if model in series.intervals:
            found[f"{model}_low"], found[f"{model}_high"] = series.intervals[model]
    return found


def _step(observed: np.ndarray) -> float:
    """What series are rounded to: a power of ten, a thousandth of the largest observation or finer."""
    largest = np.nanmax(np.abs(observed)) if np.isfinite(observed).any() else 1.0
    return float(10.0 ** np.floor(np.log10(largest or 1.0) - 3))


def _integers(values: np.ndarray) -> list[int | None]:
    """The nearest integers, null for NaN."""
    return [round(value) if value == value else None for value in values.tolist()]
