"""METR-LA, PEMS-BAY and LargeST: one pandas table in an h5 file, read with h5py alone.

pandas' fixed format: a group with ``axis0`` (detectors), ``axis1`` (times, ns, local unless they have a zone),
``block0_items`` (detectors in the order of the values) and ``block0_values`` (T, V). Nothing in the file says what
the numbers are: ``feature`` does. Speeds are mph, and one of 0 means no observation (``missing_codes: [0.0]``);
LargeST's are flows, ``feature: volume``.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator

import h5py
import numpy as np

from vdcast.errors import InputError
from vdcast.ingest import clock
from vdcast.ingest.detector_lists import table_info as info
from vdcast.ingest.files import ALWAYS, EXPANSION, RawFile
from vdcast.ingest.lanes import per
from vdcast.ingest.records import IMPOSSIBLE, OBSERVED, Records, judge, observed, widened
from vdcast.params.formats import MPH, MetrLA

__all__ = ["ORDERED", "SUFFIXES", "features", "info", "parse"]

SUFFIXES = (".h5", ".hdf5", ".hdf")
ORDERED = True
ROWS_BYTES = 8 << 20
TOO_FAST = 0.01, 1000  # of the speeds may be impossible, and how many there must be to tell


def features(settings: MetrLA) -> tuple[tuple[str, str], ...]:
    unit = settings.speed_unit if settings.feature == "speed" else f"veh/{per(settings.interval)}"
    return ((settings.feature, unit),)


def parse(file: RawFile, settings: MetrLA) -> Iterator[Records]:
    localiser = clock.Localiser(file, settings.time_zone, settings.spacing)
    in_kmh = settings.feature == "speed" and settings.speed_unit == "km/h"
    high = settings.max_speed / MPH if settings.feature == "speed" else np.inf
    latest, fast, known = None, 0, 0
    for vd_ids, local, aware, x in _rows(file, settings):
        time, exists = (
            (local.astype("i8"), np.ones(len(local), bool)) if aware else localiser.utc(local, None, x)
        )
        time, x = time[exists], x[exists]
        cause = judge(x, settings.missing_codes, 0, high)
        fast, known = fast + int((x > high).sum()), known + int((cause == OBSERVED).sum())
        n, V = x.shape
        back = int((np.diff(time, prepend=time[:1] if latest is None else latest) < 0).sum())
        yield Records(
            vd_ids=vd_ids,
            vd=np.tile(np.arange(V), n),
            time=np.repeat(time, V),
            values=observed(x * (MPH if in_kmh else 1), cause).reshape(-1, 1),
            cause=cause.reshape(-1, 1),
            counts=clock.taken(localiser)
            + Counter(impossible_values=int((cause == IMPOSSIBLE).sum()), rows_out_of_order=back),
        )
        latest = time[-1] if n else latest
    if fast > TOO_FAST[0] * (fast + known) and fast + known >= TOO_FAST[1]:
        raise file.bad(
            f"{fast} of its {fast + known} numbers are no speeds, being above {settings.max_speed:g} km/h; if they are flows, "
            "as LargeST's are, set data.feature to volume"
        )


def _rows(file: RawFile, settings: MetrLA) -> Iterator[tuple[list[str], np.ndarray, bool, np.ndarray]]:
    """Detectors, times (n,), whether these are UTC or local, and values (n, V) f8, some rows at a time."""
    try:
        with file.seekable() as stream, h5py.File(stream, "r") as h5:
            groups = [group for group in h5.values() if isinstance(group, h5py.Group) and "axis1" in group]
            if len(groups) != 1 or not {"axis0", "block0_values"} <= set(groups[0]):
                raise file.bad(
                    f"holds {', '.join(list(h5)[:5]) or 'nothing'}, not one pandas table in fixed format"
                )
            group = groups[0]
            items = "block0_items" if "block0_items" in group else "axis0"  # those of the values' own order
            if foreign := [name for name in (items, "axis1", "block0_values") if not _inside(group, name)]:
                raise file.bad(f"its {foreign[0]} lies in another file, which is not read")
            names, times, values = group[items], group["axis1"], group["block0_values"]
            T, V = times.shape[0], names.shape[0]
            size = math.prod(values.shape) * values.dtype.itemsize
            if values.shape != (T, V) or values.dtype.kind not in "fiu" or times.dtype.kind not in "iu":
                raise file.bad(f"block0_values is {values.dtype} {values.shape}, not numbers ({T}, {V})")
            if group["axis0"].shape[0] != V:
                raise file.bad(f"holds {group['axis0'].shape[0]} columns, {V} of them numbers of one kind")
            if not size or size > max(ALWAYS, EXPANSION * file.size):
                raise file.bad(f"its table would be {size} bytes, from a file of {file.size}")
            vd_ids = [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in names[:].tolist()]
            if len(set(vd_ids)) != V:
                raise file.bad("names a detector twice")
            unit, aware = _unit(file, times), _zoned(times)
            steps = max(1, ROWS_BYTES // (V * values.dtype.itemsize))
            for first in range(0, T, steps):
                rows = slice(first, min(first + steps, T))
                local = times[rows].astype(f"M8[{unit}]").astype("M8[s]")
                if clock.outside(local).any():
                    raise file.bad(
                        f"a time in rows {rows.start} to {rows.stop} lies outside the years 1970 to 2100"
                    )
                yield vd_ids, local, aware, widened(values[rows], settings.missing_codes)
    except InputError:
        raise
    except (
        ValueError,
        OSError,
        KeyError,
        TypeError,
        AttributeError,
        RuntimeError,
        UnicodeDecodeError,
        IndexError,
    ) as error:
        raise file.bad(f"is a damaged h5 file, or none ({error})") from None


def _unit(file: RawFile, times: h5py.Dataset) -> str:
    """What the numbers of ``axis1`` count: pandas says it as ``kind``, "datetime64[us]"; older ones count ns."""
    kind = times.attrs.get("kind", "datetime64")
    kind = kind.decode("utf-8") if isinstance(kind, bytes) else str(kind)
    if not kind.startswith("datetime64"):
        raise file.bad(f"its index holds {kind}, not times")
    found = re.search(r"\[(s|ms|us|ns)\]", kind)
    return found[1] if found else "ns"


def _zoned(times: h5py.Dataset) -> bool:
    """Whether ``axis1`` has a time zone: pandas then writes UTC, and names the zone beside it."""
    zone = times.attrs.get("tz")
    return zone is not None and bytes(np.asarray(zone).tobytes()).rstrip(b"\0") not in (b"", b"N.", b"None")


def _inside(group: h5py.Group, name: str) -> bool:
    """Whether a dataset's bytes lie in its own file: HDF5 would fetch them from any path that the file names."""
    if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
        return False
    dataset = group[name]
    return not dataset.external and not dataset.is_virtual
