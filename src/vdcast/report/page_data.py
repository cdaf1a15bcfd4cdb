"""What the charts of ``reports/index.html`` draw: errors by horizon, hour and VD, and forecasts over time.

Small enough for the page to carry: errors for every VD; series at a few horizons, rounded to a
thousandth of the largest observation or finer, for as many VDs as ``SERIES_LIMIT`` allows. The page
says which are left out.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from datetime import datetime

import numpy as np
import pandas as pd

from vdcast.data import calendar
from vdcast.forecasts import store
from vdcast.forecasts.predictions import Predictions, of
from vdcast.forecasts.quantiles import coverages
from vdcast.layout import NAIVE, RUNS
from vdcast.params.networks import MODELS

SERIES_LIMIT = 3_000_000  # numbers in all series; about 6 MB of page
EPOCH = datetime(1970, 1, 1)
HISTORY = ["epoch", "train_loss", "validation_loss", "validation_mae"]


def gather(comparisons: Mapping[str, dict], limit: int = SERIES_LIMIT) -> dict:
    """Everything that the charts draw, as JSON types; ``comparisons`` holds comparison.json by mode.

    ``modes[mode]`` holds ``vds`` (numbers into ``vds``), ``history``, ``interval`` (the nominal coverage of the
    widest interval, null without quantiles) and, for every model and baseline, ``errors[who]``: MAE of the headline target, ``by_horizon`` and ``by_hour``, pooled (``all``) and a
    row per VD (``each``). ``series`` is described in ``_series``.
    """
    vds = list(dict.fromkeys(vd for summary in comparisons.values() for vd in summary["vds"]))
    naive = store.read_naive(NAIVE)
    modes, forecasts = {}, {}
    target = vds.index(next(iter(comparisons.values()))["target_vd"])
    for mode, summary in comparisons.items():
        errors = {name: _errors(each) for name, each in of(naive, summary["vds"]).items()}
        for model, each in _runs(mode):
            errors[model] = _errors(each)
            forecasts[mode, model] = _at_shown_horizons(each.forecast)
            if each.quantiles:
                levels = each.quantiles.calibrated
                forecasts[mode, f"{model}_low"] = _at_shown_horizons(levels[..., 0])
                forecasts[mode, f"{model}_high"] = _at_shown_horizons(levels[..., -1])
        levels = summary.get("quantiles", {}).get("levels", [])
        modes[mode] = {
            "interval": coverages(levels)[0] if levels else None,
            "vds": [vds.index(vd) for vd in summary["vds"]],
            "errors": errors,
            "history": {model: _history(f"{model}-{mode}") for model in MODELS},
        }
    some = next(iter(naive.values()))
    baseline = next(iter(comparisons.values()))["best_naive"]
    forecasts["naive", baseline] = _at_shown_horizons(naive[baseline].of(vds).forecast)
    return {
        "vds": vds,
        "minutes": [step * some.interval / 60 for step in range(1, some.observed.shape[1] + 1)],
        "modes": modes,
        "baseline": baseline,
        "series": _series(some.of(vds), forecasts, [target, *_most_telling(modes, len(vds))], modes, limit),
    }


def packed(data: dict) -> str:
    """``data`` as JSON, gzip and base64: the same bytes for the same data, and harmless inside HTML."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def shown_horizons(horizon: int) -> list[int]:
    """Which of the steps 0 to ``horizon`` - 1 have series: all of four, else first, quarter, half and last."""
    if horizon <= 4:
        return list(range(horizon))
    return sorted({0, round(horizon / 4) - 1, round(horizon / 2) - 1, horizon - 1})


def _runs(mode: str) -> Iterator[tuple[str, Predictions]]:
    """Predictions of both models, one at a time: they are the largest thing in memory."""
    for model in MODELS:
        yield model, store.read_predictions(RUNS / f"{model}-{mode}" / "predictions.h5")


def _errors(each: Predictions) -> dict[str, dict[str, list]]:
    """MAE of the headline target, pooled over valid observations; a model with seeds is the mean of theirs."""
    wrong = np.abs(each.forecast[..., 0] - each.observed[..., 0]).mean(axis=0)  # (W, H, V)
    valid = np.isfinite(each.observed[..., 0])
    hour = calendar.hour_of_day(each.times.ravel(), each.time_zone).reshape(each.times.shape)  # (W, H)
    step = np.broadcast_to(np.arange(wrong.shape[1]), hour.shape)
    cuts = {
        "by_horizon": [step == h for h in range(wrong.shape[1])],
        "by_hour": [hour == h for h in range(24)],
        "overall": [hour >= 0],
    }
    return {
        name: {
            "all": _rounded([_mean(wrong[part].ravel(), valid[part].ravel()) for part in parts]),
            "each": _rounded(
                np.stack([_mean(wrong[part], valid[part]) for part in parts], axis=1)
            ),  # (V, parts)
        }
        for name, parts in cuts.items()
    }


def _at_shown_horizons(forecast: np.ndarray) -> np.ndarray:
    """(S, W, H, V, K) -> (W, shown, V): the mean of the seeds' forecasts of the headline target."""
    return forecast[..., 0].mean(axis=0)[:, shown_horizons(forecast.shape[2])]


def _history(run: str) -> dict[str, list]:
    """The learning curve by column."""
    table = pd.read_csv(RUNS / run / "history.csv")
    return {name: _rounded(table[name].to_numpy(float)) for name in HISTORY}


def _most_telling(modes: Mapping[str, dict], V: int) -> list[int]:
    """The numbers of all VDs, those on which the two models differ most first."""
    difference = np.zeros(V)
    for mode in modes.values():
        a, b = (np.array(mode["errors"][model]["overall"]["each"], float)[:, 0] for model in MODELS)
        difference[mode["vds"]] = np.fmax(difference[mode["vds"]], np.abs(a - b))
    return np.argsort(-np.nan_to_num(difference), kind="stable").tolist()


def _series(
    every: Predictions,
    forecasts: Mapping[tuple[str, str], np.ndarray],
    order: list[int],
    modes: Mapping[str, dict],
    limit: int,
) -> dict:
    """Observations and forecasts over time.

    ``times`` are local time as if it were UTC, in minutes, for scales that know no time zone. ``vds``
    are the VDs that have series: the first ones of ``order``, up to ``limit`` numbers in all. ``observed[vd]`` and ``forecasts[mode][who][horizon][vd]`` lie along
    ``times``, as multiples of ``step``, null where there is none; vd counts through ``vds``, where
    the mode has it. ``who`` is a model, the baseline, or with quantiles ``lstm_low``, ``lstm_high`` and so
    on: the ends of the model's widest interval, calibrated.
    """
    shown = shown_horizons(every.observed.shape[1])
    seconds, at = np.unique(every.times, return_inverse=True)
    at = at.reshape(every.times.shape)  # (W, H) -> place in times
    T = len(seconds)
    per_vd = T * (1 + len(shown) * len(forecasts))
    kept = list(dict.fromkeys(order))[: max(1, limit // per_vd)]

    observed = np.full((T, len(kept)), np.nan)
    observed[at] = every.observed[..., 0][:, :, kept]
    largest = np.nanmax(np.abs(observed)) if np.isfinite(observed).any() else 1.0
    step = 10.0 ** np.floor(np.log10(largest or 1.0) - 3)

    def along_time(forecast: np.ndarray, own: list[int]) -> list:
        columns = [own.index(v) if v in own else None for v in kept]
        result = []
        for i, h in enumerate(shown):
            line = np.full((T, len(kept)), np.nan)
            for v, column in enumerate(columns):
                if column is not None:
                    line[at[:, h], v] = forecast[:, i, column]
            result.append([_integers(line[:, v] / step) for v in range(len(kept))])
        return result

    lines: dict[str, dict[str, list]] = {}
    for (mode, who), forecast in forecasts.items():
        own = modes[mode]["vds"] if mode in modes else list(range(len(every.vd_ids)))
        lines.setdefault(mode, {})[who] = along_time(forecast, own)
    local = calendar.local(seconds, every.time_zone).tz_localize(None)
    return {
        "times": (local.astype("datetime64[s]").asi8 // 60).tolist(),
        "horizons": shown,
        "vds": kept,
        "step": float(step),
        "observed": [_integers(observed[:, v] / step) for v in range(len(kept))],
        "forecasts": lines,
    }


def _mean(part: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Over the first axis, of what is valid; NaN where nothing is, and where something valid has no forecast."""
    count = valid.sum(axis=0)
    total = np.where(valid, part, 0).sum(axis=0, dtype=np.float64)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _rounded(values: np.ndarray | list) -> list:
    """Four significant digits, null for NaN, as nested lists."""
    if np.ndim(values):
        return [_rounded(value) for value in values]
    return float(f"{values:.4g}") if np.isfinite(values) else None


def _integers(values: np.ndarray) -> list[int | None]:
    """The nearest integers, null for NaN."""
    return [round(value) if value == value else None for value in values.tolist()]
