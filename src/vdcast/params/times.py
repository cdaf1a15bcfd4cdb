"""Durations: as people write them, as steps of the data's interval, and as they are said.

params.yaml says how far a forecast looks back and ahead in time (``5h``, ``60min``), so that it means the same for
data of any interval. The code counts steps; steps may also be written.
"""

import re
from datetime import timedelta
from typing import Any

from vdcast.errors import InputError
from vdcast.layout import PARAMS
from vdcast.params.networks import MODELS
from vdcast.params.words import suggest

UNITS = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}
IN_STEPS = {"lookback": "sequence_length", "horizon": "prediction_length"}  # of ``window``


def minutes(seconds: float) -> str:
    """As every report and message says it: "15 min"."""
    return f"{seconds / 60:,g} min"


def in_steps(document: dict[str, Any], interval: int | None) -> dict[str, Any]:
    """``document``, all of params.yaml, with what of it is a duration in steps of ``interval`` seconds: ``window``,
    ``evaluate.horizons`` and the ``lookback`` of networks.

    Raises InputError for a duration that is none, or no whole number of steps, and where steps contradict it.
    """
    changed = dict(document)
    for name, section in document.items():
        if name in (*MODELS, "runs", "search") and isinstance(section, dict):
            changed[name] = _networks(name, section, interval)
    if isinstance(window := document.get("window"), dict):
        changed["window"] = _window(window, interval)
    if isinstance(evaluate := document.get("evaluate"), dict) and isinstance(evaluate.get("horizons"), list):
        steps = [_given("evaluate.horizons", each, interval) for each in evaluate["horizons"]]
        changed["evaluate"] = evaluate | {"horizons": steps}
    return changed


def _window(window: dict[str, Any], interval: int | None) -> dict[str, Any]:
    allowed = [*IN_STEPS, *IN_STEPS.values()]
    for key in window:
        if key not in allowed:
            raise InputError(f"{PARAMS}: window.{key} is not a setting{suggest(str(key), allowed)}")
    found = {}
    for key, of_steps in IN_STEPS.items():
        if key not in window and of_steps not in window:
            raise InputError(f"{PARAMS}: window.{key} is missing; a duration, e.g. 60min or 5h")
        found[of_steps] = window.get(of_steps)
        if key in window:
            steps = _steps(f"window.{key}", window[key], interval)
            if of_steps in window and window[of_steps] != steps:
                raise InputError(
                    f"{PARAMS}: window.{key} {window[key]} is {steps} steps, and window.{of_steps} is "
                    f"{window[of_steps]}; keep one of the two keys"
                )
            found[of_steps] = steps
    return found


def _networks(where: str, section: dict[str, Any], interval: int | None) -> dict[str, Any]:
    """``section`` with each ``lookback`` of a network, alone or in a list, in steps, however deep it stands."""

    def said(key: str, value: Any) -> Any:
        if isinstance(value, dict):
            return _networks(key, value, interval)
        if not key.endswith(".lookback"):
            return value
        return (
            [_given(key, each, interval) for each in value]
            if isinstance(value, list)
            else _given(key, value, interval)
        )

    return {key: said(f"{where}.{key}", value) for key, value in section.items()}


def _given(key: str, value: Any, interval: int | None) -> Any:
    """A duration in steps; what is no text as it is."""
    return _steps(key, value, interval) if isinstance(value, str) else value


def _steps(key: str, text: Any, interval: int | None) -> int:
    seconds = _seconds(text)
    if not seconds:
        raise InputError(
            f"{PARAMS}: {key} = {text!r} is no duration; write a whole number and one of {', '.join(UNITS)}, e.g. 60min"
        )
    if interval is None:
        raise InputError(
            f"{PARAMS}: {key} {text} is in time, and data.format auto cannot say before it has read the files how long a "
            "step is; set data.interval, in seconds"
        )
    steps, rest = divmod(seconds, interval)
    if rest:
        near = [minutes(each * interval) for each in (steps, steps + 1) if each]
        raise InputError(
            f"{PARAMS}: {key} {text} is no whole number of steps of {minutes(interval)} (data.interval {interval}); take "
            f"{' or '.join(near).replace(' min', 'min')}"
        )
    return steps


def _seconds(text: Any) -> int:
    """Of a text like ``5h``; 0 of anything else."""
    found = re.fullmatch(rf"([0-9]+) ?({'|'.join(UNITS)})", text) if isinstance(text, str) else None
    return int(timedelta(**{UNITS[found[2]]: int(found[1])}).total_seconds()) if found else 0
