"""Lanes of VDs in one snapshot to records: what the Taiwanese detector standards share."""

import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pyarrow as pa

from vdcast.ingest import clock
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import AHEAD, STATUS, LaneValues, Records, by_lane, observed
from vdcast.ingest.xml_tables import BOM
from vdcast.params.formats import TaiwanLanes

NAMESPACE = "http://traffic.transportdata.tw/standard/traffic/schema/"
MOST_LANES = 100
HEALTHY = b"diag0"  # the ErrorType that lanes carry where all is well; no source says what others mean
_ERROR = re.compile(rb'ErrorType(?:"\s*:\s*"|>)\s*([^"<\s]+)')
NEVER = np.iinfo("i8").min  # the time of a record that has none


@dataclass(kw_only=True)
class Lanes:
    """One snapshot: R records of detectors, their lanes, and vehicle classes of these; numbers are f8, NaN where absent."""

    updated: str | None  # time of the snapshot
    interval: np.ndarray  # () seconds
    ids: list[str]  # per detector
    times: list[str | None]
    status: np.ndarray  # (R,)
    detector: np.ndarray  # (lanes,) i8
    speed: np.ndarray  # (lanes,)
    occupancy: np.ndarray  # (lanes,)
    lane: np.ndarray  # (classes,) i8
    volume: np.ndarray  # (classes,)
    counts: Counter = field(default_factory=Counter)


def features(settings: TaiwanLanes) -> tuple[tuple[str, str], ...]:
    return (("speed", "km/h"), ("volume", f"veh/{per(settings.interval)}"), ("occupancy", "%"))


def per(interval: int) -> str:
    """What a volume is counted over: 300 s is 5min."""
    return f"{interval // 60}min" if interval % 60 == 0 else f"{interval}s"


def records(file: RawFile, settings: TaiwanLanes, lanes: Lanes, shift: int = 0) -> Records:
    """The records of a snapshot; its times, less ``shift`` seconds, are starts of intervals.

    A detector whose record is stale, or has no time, is named without one: what never reports shows as missing.
    Raises InputError for what is written like no time, for another interval than the settings', and for a
    snapshot that holds nothing.
    """
    zone = ZoneInfo(settings.time_zone)
    interval = lanes.interval
    if interval > 0 and interval != settings.spacing:  # 0 and -1 say nothing
        coarser = bool(settings.interval > interval and settings.interval % interval == 0)
        raise file.bad(
            f"is a snapshot per {interval:g} s; set data.interval to that ({settings.interval} now)"
            + f", or data.from_interval, to lay snapshots on a grid of {settings.interval} s" * coarser
        )
    well = np.nan_to_num(lanes.status) == 0  # an absent status says nothing
    if len(lanes.detector) == 0 and well.any():
        raise file.bad("has VDs, healthy ones among them, and not one lane in them; is it of another schema?")
    times = {text: _time(file, lanes, text, zone) for text in set(lanes.times)}
    time = np.array([times[text] for text in lanes.times], "i8")
    dated = time != NEVER
    if lanes.ids and not dated.any():
        raise file.bad(f"not one of its {len(lanes.ids)} VDs has a time")
    values, cause, impossible = by_lane(
        LaneValues(
            records=len(lanes.ids),
            record=lanes.detector,
            speed=lanes.speed,
            occupancy=lanes.occupancy,
            lane=lanes.lane,
            volume=lanes.volume,
        ),
        codes=settings.missing_codes,
        max_speed=settings.max_speed,
        missing_when=settings.missing_when,
    )
    cause[~well] = STATUS
    keep = dated
    updated = NEVER if lanes.updated is None else _time(file, lanes, lanes.updated, zone)
    if updated != NEVER:
        keep = dated & (time >= updated - settings.max_age) & (time <= updated + AHEAD)
    index: dict[str, int] = {}
    vd = np.array([index.setdefault(name, len(index)) for name in lanes.ids], "i8")
    return Records(
        vd_ids=list(index),
        vd=vd[keep],
        time=time[keep] - shift,
        values=observed(values, cause)[keep],
        cause=cause[keep],
        counts=lanes.counts
        + Counter(
            impossible_values=impossible, undated=int((~dated).sum()), stale=int((dated & ~keep).sum())
        ),
    )


def numbers(
    file: RawFile, what: str, values: list | pa.Array, owner: Callable[[int], str] | None = None
) -> np.ndarray:
    """Numbers, or text of them, as f8, NaN where absent. Raises InputError for what is none, naming its ``owner``."""
    try:
        if isinstance(values, pa.Array):  # of text, in which few different ones repeat
            coded = values.dictionary_encode("encode")
            return _floats(coded.dictionary.to_pylist())[coded.indices.to_numpy()]
        return _floats(values)
    except (ValueError, OverflowError):
        values = values.to_pylist() if isinstance(values, pa.Array) else values
        at, error = next(filter(None, map(_wrong, itertools.count(), values)))
        raise file.bad(f"{what}{f' of {owner(at)}' if owner else ''} {error}") from None


def _floats(values: list) -> np.ndarray:
    plain = set(map(type, values)) <= _NUMBER
    return np.array(values if plain else [_number(value) for value in values], "f8")


def _wrong(at: int, value) -> tuple[int, Exception] | None:
    """Where a value is no number: its place, and what is wrong with it."""
    try:
        _number(value)
    except (ValueError, OverflowError) as error:
        return at, error
    return None


_NUMBER = {int, float, type(None)}
_NUMERAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@lru_cache(maxsize=4096)
def _number(value) -> float:
    if value is None or type(value) in _NUMBER:
        return np.nan if value is None else float(value)
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return np.nan
        if len(text) <= 40 and text.isascii() and _NUMERAL.fullmatch(text):
            return float(text)
    raise ValueError(f"is {str(value)[:40]!r}, not a number")


def _time(file: RawFile, lanes: Lanes, text: str | None, zone: ZoneInfo) -> int:
    """Unix seconds, or NEVER."""
    try:
        return clock.instant(text, zone) if text and text.strip() else NEVER
    except clock.NoTime:
        return NEVER
    except ValueError as error:
        owner = lanes.ids[lanes.times.index(text)] if text in lanes.times else "the snapshot"
        raise file.bad(f"time of {owner}: {error}") from None


def names(file: RawFile, ids: list[str | None]) -> list[str]:
    """Ids of the VDs of a snapshot in XML. Raises InputError for one that has none."""
    found = [(vd or "").strip() for vd in ids]
    if "" in found:
        raise file.bad(f"VD number {found.index('') + 1} has no id")
    return found


def gathered(size: int, index: Iterable[int], values: Iterable) -> list[set]:
    """The values that go by each of ``size`` indices."""
    out: list[set] = [set() for _ in range(size)]
    for i, value in zip(index, values, strict=True):
        out[i].add(value)
    return out


def together(lanes: Lanes, links: Callable[[], list[set]]) -> Lanes:
    """Records of one VD and time with ``links`` of their own, one per direction say, as one.

    A record that repeats a link of one before it is a later version of it, and stays on its own.
    """
    if len(set(lanes.ids)) == len(lanes.ids):
        return lanes
    first: dict[tuple, tuple[int, set]] = {}
    whole = np.arange(len(lanes.ids))  # the record that each is a part of
    for i, (vd, time, own) in enumerate(zip(lanes.ids, lanes.times, links(), strict=True)):
        at, known = first.get((vd, time), (i, set()))
        at, known = (at, known) if known.isdisjoint(own) else (i, set())
        first[vd, time] = at, known | own
        whole[i] = at
    kept = np.flatnonzero(whole == np.arange(len(whole)))
    status = lanes.status.copy()
    np.fmax.at(status, whole, lanes.status)  # one direction that is not well leaves no sound sum
    return replace(
        lanes,
        ids=[lanes.ids[i] for i in kept],
        times=[lanes.times[i] for i in kept],
        status=status[kept],
        detector=np.searchsorted(kept, whole[lanes.detector]),
    )


def error_types(data: bytes) -> Counter:
    """How many lanes of a snapshot, JSON or XML, carry an ErrorType that is not that of a healthy one."""
    return Counter(error_type=sum(found != HEALTHY for found in _ERROR.findall(data)))


@contextlib.contextmanager
def json_errors(file: RawFile, what: str) -> Iterator[None]:
    """Turn what is wrong with a JSON document, or where it is not ``what``, into one sentence."""
    try:
        yield
    except msgspec.ValidationError as error:
        raise file.bad(f"is no {what} of the standard v2: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise file.bad(f"is not valid JSON: {error}") from None


def kind(file: RawFile, data: bytes) -> str:
    """What the content is, whatever the name says: json or xml."""
    start = data.removeprefix(BOM).lstrip()[:1]
    if start in (b"{", b"["):
        return "json"
    if start == b"<" or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "xml"
    raise file.bad(f"is neither JSON nor XML; it begins with {data[:20]!r}")
