"""What ``calendar`` of params.yaml names, read: public holidays of the package ``holidays``, and tables in data/calendar/.

``vdcast forecast`` reads the tables anew, by the names that model.pt holds.
"""

import warnings
from dataclasses import replace
from datetime import date

import numpy as np

from vdcast.data import calendar, scale
from vdcast.data.covariates import HOLIDAY, Covariates
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.escape import markdown
from vdcast.language import Said, say
from vdcast.layout import CALENDAR, PARAMS
from vdcast.params.sections import Calendar, Window
from vdcast.prepare.covariate_tables import DAY, midnight, read_plans, read_weather
from vdcast.records.prepare import Dropped

YEARS_AHEAD = 10  # of holidays that a trained model knows


def covariates_of(settings: Calendar, table: Detectors) -> Covariates:
    """All that ``settings`` name, for the times of ``table``. Raises InputError for what cannot be read."""
    plans, until, weather = {}, {}, None
    if settings.holidays:
        first, last = (each.year for each in calendar.local(table.timestamps[[0, -1]], table.time_zone))
        days = public_holidays(settings.holidays, range(first, last + YEARS_AHEAD + 1))
        plans[HOLIDAY] = np.array(
            [[midnight(day, table.time_zone), midnight(day + DAY, table.time_zone)] for day in days]
        )
        until[HOLIDAY] = midnight(date(last + YEARS_AHEAD + 1, 1, 1), table.time_zone)
    if settings.plans:
        read = read_plans(settings.plans, table.time_zone)
        end = max(int(table.timestamps[-1]) + table.interval, *(int(each.max()) for each in read.values()))
        plans, until = plans | read, until | dict.fromkeys(read, end)
    if settings.weather:
        weather = read_weather(settings.weather, table.time_zone, table.interval)
        if twice := [kind for kind in weather.kinds if kind in plans]:
            raise InputError(
                f"'{CALENDAR / settings.weather}': {twice[0]!r} is the name of a plan too; rename one"
            )
    tables = {key: file for key, file in (("plans", settings.plans), ("weather", settings.weather)) if file}
    return Covariates(plans=plans, inputs=tuple(plans), until=until, weather=weather, tables=tables)


def public_holidays(region: str, years: range) -> dict[date, str]:
    """By date, with their names. Raises InputError without the package, and for a region that it does not know."""
    try:
        import holidays
    except ImportError:
        raise InputError(
            "calendar.holidays needs the extra `holidays`: pip install 'vdcast[holidays]'"
        ) from None
    country, _, part = region.partition("-")
    known = holidays.list_supported_countries()
    if country not in known or (part and part not in known[country]):
        what, names = ("regions", known[country]) if country in known else ("countries", list(known))
        raise InputError(
            f"{PARAMS}: calendar.holidays = {region!r} is none that the package holidays knows; its {what}"
            f"{f' of {country}' if country in known else ''} are: {', '.join(names) or 'none'}"
        )
    return dict(sorted(holidays.country_holidays(country, subdiv=part or None, years=years).items()))


def renewed(covariates: Covariates, time_zone: str) -> tuple[Covariates, list[str]]:
    """With what its tables say now, in the same scale; and the names there that the model was not trained with.

    Raises InputError where a table cannot be read, and where a kind of weather is gone.
    """
    strange: list[str] = []
    if file := covariates.tables.get("plans"):
        read = read_plans(file, time_zone)
        own = [name for name in covariates.plans if name != HOLIDAY]
        strange += [name for name in read if name not in own]
        now = {name: read.get(name, np.empty((0, 2), np.int64)) for name in own}
        until = {name: end for name, end in covariates.until.items() if name == HOLIDAY}
        covariates = replace(covariates, plans={**covariates.plans, **now}, until=until)
    if covariates.weather:
        path, kinds = CALENDAR / covariates.tables["weather"], covariates.weather.kinds
        new = read_weather(covariates.tables["weather"], time_zone, covariates.weather.step)
        if lacking := [kind for kind in kinds if kind not in new.kinds]:
            raise InputError(
                f"'{path}' lacks {lacking[0]!r}, with which the run was trained; it has: {', '.join(new.kinds)}"
            )
        strange += [kind for kind in new.kinds if kind not in kinds]
        values = new.values[:, [new.kinds.index(kind) for kind in kinds]]
        covariates = replace(
            covariates,
            weather=replace(
                new, kinds=kinds, values=values, mean=covariates.weather.mean, std=covariates.weather.std
            ),
        )
    return covariates, strange


def learnable(covariates: Covariates, train: Detectors) -> tuple[Covariates, list[Dropped]]:
    """Without the inputs that never change in the training part, of which nothing is learnt; weather in that part's scale."""
    first, last = train.timestamps[[0, -1]]
    idle = [
        name for name in covariates.inputs if len(np.unique(covariates.planned(name, train.timestamps))) < 2
    ]
    if weather := covariates.weather:
        seen = (weather.time >= first) & (weather.time <= last) & (weather.issued <= last)
        values = weather.values[seen]
        idle += [
            kind
            for kind, column in zip(weather.kinds, values.T, strict=True)
            if len(np.unique(column[np.isfinite(column)])) < 2
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of a kind without values, which goes
            mean, std = scale.of_values(values)
        covariates = replace(covariates, weather=replace(weather, mean=mean, std=std))
    dropped = [Dropped(name, "covariate", Said("language.dropped.idle")) for name in idle]
    return covariates.without(idle), dropped


def known_ahead(parts: dict[str, Detectors], window: Window) -> str:
    """A section of prepare.md on what is known ahead, part by part; nothing where nothing is."""
    covariates = next(iter(parts.values())).covariates
    if not covariates:
        return ""
    heads = [say(f"prepare.part.{name}") for name in parts]
    lines = [
        "",
        f"## {say('prepare.ahead')}",
        "",
        f"| | {' | '.join(heads)} |",
        "|---|" + "---|" * len(parts),
    ]
    for name in covariates.plans:
        shares = [
            say("prepare.planned", share=float(covariates.planned(name, part.timestamps).mean()))
            for part in parts.values()
        ]
        lines.append(f"| {markdown(name)} | {' | '.join(shares)} |")
    if weather := covariates.weather:
        shares = [_shares_known(part, window) for part in parts.values()]
        lines.append(f"| {markdown(', '.join(weather.kinds))} | {' | '.join(shares)} |")
    if HOLIDAY in covariates.plans:
        days = [day for part in parts.values() for day in _days_of(covariates.plans[HOLIDAY], part)]
        lines += ["", say("prepare.holidays", days=days) if days else say("prepare.no_holidays")]
    return "\n".join(lines) + "\n"


def _shares_known(part: Detectors, window: Window) -> str:
    """Of all steps back and ahead of all windows, of how many something was issued in time."""
    L, H = window.sequence_length, window.prediction_length
    weather = part.covariates.weather
    assert weather
    origins = part.timestamps[L - 1 : len(part.timestamps) - H]
    back, ahead = (
        np.mean(
            [weather.rows(origins + step * part.interval, origins + part.interval) >= 0 for step in steps]
        )
        for steps in (range(1 - L, 1), range(1, H + 1))
    )
    return say("prepare.known", back=float(back), ahead=float(ahead))


def _days_of(periods: np.ndarray, part: Detectors) -> list[str]:
    """Dates of those that begin in ``part``."""
    inside = (periods[:, 0] >= part.timestamps[0]) & (periods[:, 0] <= part.timestamps[-1])
    return [f"{day:%Y-%m-%d}" for day in calendar.local(periods[inside, 0], part.time_zone)]
