"""From a trial of Optuna to a network: what `search` in params.yaml lets it try."""

import json
import warnings
from typing import Any

import optuna
from optuna import Trial
from pydantic import ValidationError

from vdcast.errors import InputError
from vdcast.layout import PARAMS
from vdcast.params.networks import Network
from vdcast.params.search import Range
from vdcast.params.sections import Run
from vdcast.train.copies import Rates

Space = dict[str, list[Any] | Range]


class Impossible(ValueError):
    """Settings that no network can have together; the message says why."""


def settings_of(trial: Trial, space: Space) -> dict[str, Any]:
    """What ``trial`` tries; numbers of a range have three digits, so that they can be written down."""
    return {key: _setting(trial, key, values) for key, values in space.items()}


def _setting(trial: Trial, key: str, values: list[Any] | Range) -> Any:
    if isinstance(values, list):
        return read(trial.suggest_categorical(key, [written(each) for each in values]))
    low, high = values.low, values.high
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, log=values.log)
    return min(max(float(f"{trial.suggest_float(key, low, high, log=values.log):.3g}"), low), high)


def written(value: Any) -> Any:
    """As Optuna takes a value of a list: no list."""
    return json.dumps(value) if isinstance(value, list) else value


def read(value: Any) -> Any:
    """What ``written`` made of a value, as it was."""
    return json.loads(value) if isinstance(value, str) and value.startswith("[") else value


def network_of(run: Run, settings: dict[str, Any]) -> Network:
    """The network of ``run`` with these settings. Raises Impossible."""
    try:
        return type(run.network).model_validate({**run.network.model_dump(), **settings})
    except ValidationError as error:
        raise Impossible(error.errors()[0]["msg"].removeprefix("Value error, ")) from None


def as_it_is(run: Run, space: Space, length: int) -> dict[str, Any]:
    """What trial 0 tries: the settings of ``run``, as Optuna has them.

    Raises InputError where the space lacks one, or reads further back than a window's ``length``.
    """
    lookback = space.get("lookback", [])
    furthest = max(filter(None, lookback), default=0) if isinstance(lookback, list) else lookback.high
    if furthest > length:
        raise InputError(
            f"{PARAMS}: search.{run.model}.lookback holds {furthest} steps, and a window looks back {length} "
            "(window.lookback)"
        )
    found = {key: getattr(run.network, key) for key in space}
    for key, values in space.items():
        value = found[key]
        inside = value in values if isinstance(values, list) else values.low <= value <= values.high
        if not inside:
            raise InputError(
                f"{PARAMS}: search.{run.model}.{key} leaves out {value!r}, which run {run.name} has; add it, as the first "
                "trial is what is there"
            )
    return {key: written(value) for key, value in found.items()}


def structure(params: dict[str, Any]) -> dict[str, Any]:
    """What copies of one stack share of a trial's parameters."""
    return {key: value for key, value in params.items() if key not in Rates._fields}


def rates_of(network: Network) -> Rates:
    return Rates(network.dropout, network.learning_rate, network.weight_decay)


def sampler(seed: int, fixed: dict[str, Any]) -> optuna.samplers.BaseSampler:
    """Optuna's TPE (Bergstra et al. 2011), of all settings together but for those that are ``fixed``."""
    tpe = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    if not fixed:
        return tpe
    with warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning):
        return optuna.samplers.PartialFixedSampler(fixed, tpe)
