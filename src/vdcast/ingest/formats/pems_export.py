"""Caltrans PeMS web export of one station: a header, a time, flows, occupancies and speeds per lane.

A file is a detector, named by ``vd_id`` or as the file is, with the folders that it lies in. The exports say day and month in whichever order
their author's settings had: unless ``date_order`` is given, a file counts only if one order alone can be
right for all of its dates. Lanes are aggregated as everywhere; where the export has totals ("Flow (Veh/5
Minutes)") they are taken instead.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa

from vdcast.ingest import clock, tables
from vdcast.ingest.files import RawFile
from vdcast.ingest.lanes import per
from vdcast.ingest.records import STATUS, LaneValues, Records, by_lane, observed
from vdcast.params.formats import SPEEDS, PemsExport

SUFFIXES = (".csv", ".txt", ".tsv")
ORDERED = True
_COLUMN = re.compile(r"(?:Lane (\d+) )?(?:Agg )?(Flow|Occ|Occupancy|Speed)(?: \((.+)\))?")
# what a column of these quantities looks like, were its name damaged; and others that have such words in theirs
_RELATED = re.compile(r"lane|flow|occ|speed|veh|mph", re.IGNORECASE)
_OTHER = re.compile(r"[#%].*|.*truck.*|V[HM]T.*|.*delay.*", re.IGNORECASE)
_QUANTITY = {"Flow": "volume", "Occ": "occupancy", "Occupancy": "occupancy", "Speed": "speed"}
_PERIOD = re.compile(r"Veh/(?:(\d+) )?(Minute|Hour)s?")
_SECONDS = {"Minute": 60, "Hour": 3600}
_UNITS = {"speed": "km/h", "occupancy": "%"}


def features(settings: PemsExport) -> tuple[tuple[str, str], ...]:
    volume = f"veh/{per(settings.interval)}"
    return tuple((name, _UNITS.get(name, volume)) for name in settings.features)


def parse(file: RawFile, settings: PemsExport) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone, settings.spacing)
    with file.open() as raw, tables.decoded(file, raw) as stream:
        header, delimiter = tables.header_of(file, stream, lambda names: any(map(is_measured, names)))
        found = _columns(file, header, settings)
        used = {name for lanes in found.values() for name, _ in lanes}
        share = next((name for name in header if name.startswith("% Observed")), None)
        types = {name: pa.float64() for name in header if name in used or name == share}
        types = {header[0]: pa.string(), **types}
        parts = list(tables.read_csv(file, stream, header, types, 2, tables.Marks(delimiter)))
        if not tables.ended(stream):
            raise file.bad(tables.CUT)
    table = pa.concat_tables(parts)
    if table.column(header[0]).null_count:
        raise file.bad("has a row without a time")
    texts = table.column(header[0]).to_numpy()
    order, deduced = _date_order(file, texts, settings)
    try:
        local, aware = clock.column(texts, order)
        if aware:
            raise ValueError(0, "its time carries an offset, and an export's times are local")
    except ValueError as error:
        at, what = error.args
        raise file.bad(f"line {at + 2}: {what}") from None
    values, cause, impossible = _aggregate(table, found, settings)
    time, exists = localiser.utc(local, None, values)
    if share is not None:
        cause[~(tables.number(table, share) >= settings.min_observed)] = STATUS
    wanted = [("speed", "volume", "occupancy").index(name) for name in settings.features]
    time = time[exists]
    yield Records(
        vd_ids=[settings.vd_id or _called(file.name, settings)],
        vd=np.zeros(len(time), int),
        time=time,
        values=observed(values, cause)[exists][:, wanted],
        cause=cause[exists][:, wanted],
        counts=localiser.counts
        + Counter(
            impossible_values=impossible,
            undated_order=deduced,
            rows_out_of_order=int((np.diff(time) < 0).sum()),
        ),
    )


def _called(name: str, settings: PemsExport) -> str:
    """A detector's name: its file's, with folders and archives unless ``vd_from`` is name, without the last suffixes."""
    name = name if settings.vd_from == "path" else PurePosixPath(name).name
    for suffix in (".gz", *SUFFIXES):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name


def is_measured(column: str) -> bool:
    """Whether a column is called as a quantity with its unit is."""
    found = _COLUMN.fullmatch(column)
    return bool(found and found[3])


def _columns(file: RawFile, header: list[str], settings: PemsExport) -> dict[str, list[tuple[str, float]]]:
    """Per quantity, its column per lane, or its one total, each with the factor to our unit.

    Speeds are weighted by volumes, where there are any. Raises InputError for what is lacking, or in a unit unknown.
    """
    wanted = {*settings.features, *(["volume"] if "speed" in settings.features else [])}
    found: dict[str, dict[str | None, tuple[str, float]]] = {}
    for name in header[1:]:
        if match := _COLUMN.fullmatch(name):
            lane, quantity, unit = match.groups()
            if (quantity := _QUANTITY[quantity]) in wanted:
                factor = _factor(file, name, quantity, unit or "", settings.spacing)
                found.setdefault(quantity, {})[lane] = (name, factor)
        elif _RELATED.search(name) and not _OTHER.fullmatch(name):  # its lane would be left out of every sum
            raise file.bad(f"has a column {name[:60]!r}, which is not named as PeMS does")
    for name in settings.features:
        if name not in found:
            raise file.bad(f"has no column of {name} ({', '.join(header)}); set data.features to what it has")
    lanes = set.intersection(*(set(columns) for columns in found.values()))
    if not lanes:
        raise file.bad("gives one quantity per lane and another as a total; export them alike")
    if None not in lanes and any(set(columns) - {None} != lanes for columns in found.values()):
        raise file.bad("has not the same lanes for each quantity; export them alike")
    chosen = [None] if None in lanes else sorted(lanes, key=int)  # type: ignore[arg-type]  # no None among them
    return {name: [columns[lane] for lane in chosen] for name, columns in found.items()}


def _factor(file: RawFile, name: str, quantity: str, unit: str, interval: int) -> float:
    """From the unit of column ``name`` to ours. Raises InputError for another unit, and for none."""
    if quantity == "volume":
        found = _PERIOD.fullmatch(unit)
        if not found or int(found[1] or 1) * _SECONDS[found[2]] != interval:
            raise file.bad(f"column {name!r} does not count vehicles per data.interval, {interval} s")
        return 1.0
    factors = {"speed": SPEEDS, "occupancy": {"%": 1.0}}[quantity]
    if unit.lower() not in factors:
        raise file.bad(f"column {name!r} has no unit that is known for {quantity}: {', '.join(factors)}")
    return factors[unit.lower()]


def _aggregate(
    table: pa.Table, found: dict[str, list[tuple[str, float]]], settings: PemsExport
) -> tuple[np.ndarray, np.ndarray, int]:
    """(R, 3) speed, volume, occupancy by the rules for lanes, causes (R, 3), impossible values."""
    R, lanes = table.num_rows, len(next(iter(found.values())))
    cells = {name: np.full((R, lanes), np.nan) for name in ("speed", "volume", "occupancy")}
    for quantity, columns in found.items():
        for k, (name, _) in enumerate(columns):
            cells[quantity][:, k] = tables.number(table, name)
    return by_lane(
        LaneValues(
            records=R,
            record=np.repeat(np.arange(R), lanes),
            lane=np.arange(R * lanes),
            speed=cells["speed"].ravel(),
            volume=cells["volume"].ravel(),
            occupancy=cells["occupancy"].ravel(),
        ),
        codes=settings.missing_codes,
        max_speed=settings.max_speed,
        missing_when=settings.missing_when,
        speed_unit=np.tile([factor for _, factor in found.get("speed", [])] or [1.0] * lanes, R),
    )


def _date_order(file: RawFile, texts: np.ndarray, settings: PemsExport) -> tuple[str | None, int]:
    """The order of day and month, and 1 where it was deduced, from dates that one order alone fits."""
    if settings.date_order is not None or not clock.ambiguous_date(str(texts[0])):
        return settings.date_order, 0
    parsed = {}
    for order in ("dmy", "mdy"):
        try:
            parsed[order] = clock.column(texts, order)[0]
        except ValueError:
            continue
    if len(parsed) == 1:
        return next(iter(parsed)), 1
    if not parsed:
        raise file.bad(
            f"its dates, like {str(texts[0])[:40]!r}, are neither day/month nor month/day throughout"
        )
    breaks = {
        order: int((np.diff(times) != np.timedelta64(settings.spacing, "s")).sum())
        for order, times in parsed.items()
    }
    raise file.bad(
        f"its dates, like {str(texts[0])[:40]!r}, may be day/month or month/day; set data.date_order "
        f"(rows that do not follow the one before by {settings.spacing} s: {breaks['dmy']} if dmy, "
        f"{breaks['mdy']} if mdy)"
    )
