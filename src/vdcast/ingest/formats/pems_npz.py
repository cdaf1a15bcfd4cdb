"""PEMS03, PEMS04, PEMS07, PEMS08: ``data`` (T, V, F) of flow, occupancy 0..1 and speed mph, every 5 minutes.

The file has no timestamps: ``start`` gives the local time of the first row (PEMS04: 2018-01-01, PEMS08:
2016-07-01), the others follow every ``interval``; ``rows`` says by which clock, where clocks change. The
detectors are called by their number.
"""

import math
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator

import numpy as np

from vdcast.ingest import clock
from vdcast.ingest.files import ALWAYS, EXPANSION, RawFile
from vdcast.ingest.lanes import per
from vdcast.ingest.records import IMPOSSIBLE, NO_VEHICLE, OBSERVED, Records, judge, observed, widened
from vdcast.params.formats import MPH, PemsNpz

SUFFIXES = (".npz",)
ORDERED = True
ROWS_BYTES = 8 << 20
ARRAY = "data.npy"


def features(settings: PemsNpz) -> tuple[tuple[str, str], ...]:
    units = {"volume": f"veh/{per(settings.interval)}", "occupancy": "%", "speed": settings.speed_unit}
    return tuple((name, units[name]) for name in settings.features)


def parse(file: RawFile, settings: PemsNpz) -> Iterator[Records]:
    start = clock.start(file, settings.start, None)
    counted = clock.Counted(
        file, settings.time_zone, interval=settings.spacing, first=start, rows=settings.rows
    )
    row = 0
    for x in _rows(file, settings):
        n, V, _ = x.shape
        time, exists = counted.utc(row, n)
        values, cause, impossible = _judged(x[exists], settings)
        yield Records(
            vd_ids=[str(i) for i in range(V)],
            vd=np.tile(np.arange(V), len(values)),
            time=np.repeat(time[exists], V),
            values=observed(values, cause).reshape(-1, x.shape[2]),
            cause=cause.reshape(-1, x.shape[2]),
            counts=clock.taken(counted.localiser) + Counter(impossible_values=impossible),
        )
        row += n


def _rows(file: RawFile, settings: PemsNpz) -> Iterator[np.ndarray]:
    """The array (n, V, F) f8, some rows at a time; nothing in it is unpickled."""
    features = len(settings.features)
    try:
        with file.seekable() as stream, zipfile.ZipFile(stream) as archive:
            if ARRAY not in archive.namelist():
                raise file.bad(f"holds {', '.join(archive.namelist()[:5]) or 'nothing'}, not an array 'data'")
            with archive.open(ARRAY) as member:
                version = np.lib.format.read_magic(member)
                if version not in ((1, 0), (2, 0)):
                    raise ValueError(f"npy version {version}")
                read = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
                shape, fortran, dtype = read[version[0]](member)
                if len(shape) != 3 or shape[2] != features:
                    raise file.bad(f"its array is {shape}, not (T, V, {features}) as data.features says")
                if dtype.kind not in "fiu" or fortran:
                    raise file.bad(
                        f"its array is {dtype}{' in Fortran order' * fortran}, not rows of numbers"
                    )
                size = math.prod(shape) * dtype.itemsize
                if not size or size > max(ALWAYS, EXPANSION * file.size):
                    raise file.bad(f"its array would be {size} bytes, from a file of {file.size}")
                row_bytes = size // shape[0]
                steps = max(1, ROWS_BYTES // row_bytes)
                for first in range(0, shape[0], steps):
                    n = min(steps, shape[0] - first)
                    data = member.read(n * row_bytes)
                    if len(data) != n * row_bytes:
                        raise file.bad(f"ends in row {first + len(data) // row_bytes} of {shape[0]}")
                    yield widened(np.frombuffer(data, dtype).reshape(n, *shape[1:]), settings.missing_codes)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        SyntaxError,
    ) as error:
        if isinstance(error, ValueError) and type(error) is not ValueError:
            raise
        raise file.bad(f"is a damaged npz file ({error})") from None


def _judged(x: np.ndarray, settings: PemsNpz) -> tuple[np.ndarray, np.ndarray, int]:
    """Values (n, V, F) in our units and why they are missing; how many are impossible."""
    values, cause = np.empty_like(x), np.empty(x.shape, "u1")
    for f, name in enumerate(settings.features):
        factor = {"volume": 1, "occupancy": 100, "speed": MPH}[name]
        high = {"volume": np.inf, "occupancy": 100, "speed": settings.max_speed}[name]
        cause[..., f] = judge(x[..., f], settings.missing_codes)
        good = cause[..., f] == OBSERVED
        cause[..., f][good] = judge(x[..., f][good] * factor, (), 0, high)
        in_mph = name == "speed" and settings.speed_unit == "mph"
        values[..., f] = x[..., f] * (1 if in_mph else factor)
    if {"volume", "speed"} <= set(settings.features):
        v, s = settings.features.index("volume"), settings.features.index("speed")
        cause[..., s][(cause[..., v] == OBSERVED) & (x[..., v] == 0)] = NO_VEHICLE
    return values, cause, int((cause == IMPOSSIBLE).sum())
