"""CSV and parquet files as batches of text times and columns of numbers, in bounded memory."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from vdcast.ingest import clock
from vdcast.ingest.files import ALWAYS, EXPANSION, RawFile, _Bounded
from vdcast.ingest.records import IMPOSSIBLE, MPH, NO_VEHICLE, OBSERVED, judge
from vdcast.params.formats import Table

BLOCK_BYTES = 8 << 20
BATCH_CELLS = 1 << 20
CUT = "does not end in a line break, as these files do: it is truncated, and its last number may be cut short"
NULLS = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "-"]
SUFFIXES = (".csv", ".txt", ".parquet")
KMH = {"km/h": 1.0, "kph": 1.0, "mph": MPH, "m/s": 3.6}
_UNNAMED = re.compile(r"(Unnamed: \d+|__index_level_\d+__)?")  # what pandas calls, or leaves for, an index


def batches(
    file: RawFile,
    settings: Table,
    counts: Counter,
    texts: Sequence[str],
    numbers: Sequence[str] | None,
) -> Iterator[pa.Table]:
    """The table's columns, ``texts`` as they are and ``numbers`` (all others, if None) as f8, some rows at a time.

    Adds to ``counts`` where a CSV does not end in a line break: legal, but its last row may be cut.
    """
    with file.open() as stream:
        if stream.peek(4)[:4] != b"PAR1":
            yield from _csv(file, stream, settings, counts, texts, numbers)
            return
    with file.seekable() as stream:
        yield from _parquet(file, stream, texts, numbers)


def _csv(
    file: RawFile,
    stream: "io.BufferedReader[_Bounded]",
    settings: Table,
    counts: Counter,
    texts: Sequence[str],
    numbers: Sequence[str] | None,
) -> Iterator[pa.Table]:
    header = header_of(file, stream, settings.encoding)
    columns = _choose(file, header, texts, numbers)
    types = {name: pa.string() if name in texts else pa.float64() for name in columns}
    latest = None
    for part in read_csv(file, stream, settings.encoding, header, types, 2):
        if latest is not None:
            yield latest
        latest = part
    counts["unended"] += not ended(stream)  # before the last rows, which take the count with them
    yield latest


def ended(stream: "io.BufferedReader[_Bounded]") -> bool:
    """Whether a file, read to its end, ends in a line break."""
    return stream.raw.last == b"\n"


def read_csv(
    file: RawFile,
    body: BinaryIO,
    encoding: str,
    names: Sequence[str],
    types: dict[str, pa.DataType],
    line: int,
) -> Iterator[pa.Table]:
    """Rows of CSV without a header, the first in ``line`` of the file, strictly typed; ``names`` are of all columns."""
    try:
        reader = pa.csv.open_csv(
            body,
            pa.csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=list(names), encoding=encoding
            ),
            pa.csv.ParseOptions(newlines_in_values=False),
            pa.csv.ConvertOptions(
                column_types=types, include_columns=list(types), null_values=NULLS, strings_can_be_null=True
            ),
        )
        yield from (pa.Table.from_batches([batch]) for batch in reader)
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise file.bad("has a header and no row") from None
        raise file.bad(f"is not a table of numbers as expected: {in_lines(error, line)}") from None
    except (pa.ArrowException, UnicodeError, LookupError) as error:
        raise file.bad(f"cannot be read as {encoding} text ({error})") from None


def in_lines(error: Exception, first: int) -> str:
    """What arrow says of a row, of the line of the file; its first row is in line ``first``."""
    return re.sub(r"Row #(\d+)", lambda found: f"line {int(found[1]) + first - 1}", str(error))


def header_of(file: RawFile, stream: BinaryIO, encoding: str) -> list[str]:
    """The names in the first line, which is taken from the stream."""
    line = stream.readline(1 << 22)
    if not line.strip():
        raise file.bad("is empty")
    if line.lstrip()[:1] == b"<":
        raise file.bad("is not a table; it begins like an HTML or XML page")
    try:
        text = line.removeprefix(b"\xef\xbb\xbf").decode(encoding)
        names = [name.strip() for name in next(csv.reader([text]))]
    except (UnicodeDecodeError, LookupError, csv.Error) as error:
        raise file.bad(f"its header cannot be read as {encoding}: {error}; set data.encoding") from None
    _unique(file, names)
    return names


def _unique(file: RawFile, names: Sequence[str]) -> None:
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise file.bad(f"names column {min(repeated)[:40]!r} twice")


def _parquet(
    file: RawFile, stream: BinaryIO, texts: Sequence[str], numbers: Sequence[str] | None
) -> Iterator[pa.Table]:
    try:
        schema = pa.parquet.read_schema(stream)
        _unique(file, schema.names)
        columns = _choose(file, schema.names, texts, numbers)
        stream.seek(0)
        # text stays as numbers of its different values until it is known how long it is when written out
        table = pa.parquet.ParquetFile(
            stream, read_dictionary=[n for n in columns if _is_text(schema.field(n))]
        )
        size = 8 * table.metadata.num_rows * len(columns)
        rows = max(1, BATCH_CELLS // len(columns))
        _bounded(file, size)
        left = table.metadata.num_rows
        for batch in table.iter_batches(batch_size=rows, columns=columns, use_threads=False):
            size += sum(map(_text_bytes, batch.columns))
            _bounded(file, size)
            part = pa.Table.from_batches([batch])
            plain = {
                name: _plain(column) for name, column in zip(part.column_names, part.columns, strict=True)
            }
            part = pa.table(
                {n: column if n in texts else column.cast(pa.float64()) for n, column in plain.items()}
            )
            part.validate(full=True)  # text may be no UTF-8
            left -= part.num_rows
            yield part
        if left:
            raise file.bad(
                f"is a damaged parquet file: it lacks {left} of its {table.metadata.num_rows} rows"
            )
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise file.bad(f"is a damaged parquet file, or has other columns than expected ({error})") from None


def _bounded(file: RawFile, size: int) -> None:
    if size > max(ALWAYS, EXPANSION * file.size):
        raise file.bad(f"{file.size} bytes expand to {size}, as in a decompression bomb")


def _is_text(field: pa.Field) -> bool:
    return pa.types.is_string(field.type) or pa.types.is_large_string(field.type)


def _text_bytes(column: pa.Array) -> int:
    """How long a column is that is kept as numbers of its different values, when each is written out."""
    if not pa.types.is_dictionary(column.type) or not _is_text(pa.field("", column.type.value_type)):
        return 0
    return pa.compute.sum(pa.compute.binary_length(column.dictionary).take(column.indices)).as_py() or 0


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text, times or numbers, however parquet has kept it."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_large_string(column.type):
        column = column.cast(pa.string())
    return column.cast(pa.timestamp("s")) if pa.types.is_date(column.type) else column


def _choose(
    file: RawFile, header: Sequence[str], texts: Sequence[str], numbers: Sequence[str] | None
) -> list[str]:
    """The columns to read, in the file's order."""
    known, wanted = set(header), {*texts, *(numbers or ())}
    for name in (*texts, *(numbers or ())):
        if name not in known:
            some = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
            raise file.bad(f"has no column {name!r}; it has {some}")
    if numbers is None and len(header) == len(texts):
        raise file.bad("has no column of numbers beside its time")
    chosen = [name for name in header if numbers is None or name in wanted]
    for name in chosen:
        if name not in texts and _UNNAMED.fullmatch(name):
            raise file.bad(
                f"column {header.index(name) + 1} is called {name!r}, as an index is that pandas has written; write "
                "the table without it (index=False), or name the detectors in data.columns"
            )
    return chosen


def number(part: pa.Table, name: str) -> np.ndarray:
    """A column as (N,) f8, NaN where it is empty."""
    return part.column(name).to_numpy()


def times(
    file: RawFile,
    column: pa.ChunkedArray,
    settings: Table,
    localiser: clock.Localiser,
    groups: np.ndarray | None,
    row: int,
) -> tuple[np.ndarray, np.ndarray]:
    """A column of times, the first in line ``row`` of the file, as Unix seconds (N,) and which of them exist."""
    values, aware = local(file, column, settings, row)
    if aware:
        return values.astype("i8"), np.ones(len(values), bool)
    return localiser.utc(values, groups)


def local(file: RawFile, column: pa.ChunkedArray, settings: Table, row: int) -> tuple[np.ndarray, bool]:
    """A column of times as datetime64[s] (N,), and whether they are UTC or local."""
    if pa.types.is_timestamp(column.type) and not column.null_count:
        values = column.cast(pa.timestamp("s", column.type.tz), safe=False).to_numpy().astype("M8[s]")
        if (bad := clock.outside(values)).any():
            raise file.bad(f"line {row + int(bad.argmax())}: its time lies outside the years 1970 to 2100")
        return values, column.type.tz is not None
    texts = column.to_numpy() if pa.types.is_string(column.type) else np.array([], object)
    if not len(texts) or column.null_count:
        raise file.bad(f"its time column holds {column.type} with {column.null_count} empty cells, not times")
    try:
        return clock.column(texts, settings.date_order)
    except ValueError as error:
        at, what = error.args
        raise file.bad(f"line {row + at}: {what}") from None


def judged(x: np.ndarray, features: Sequence[tuple[str, str]], settings: Table) -> tuple[np.ndarray, int]:
    """Why each of ``x`` (..., F) is missing, (..., F) u1, and how many are impossible.

    What is called volume, speed or occupancy has the limits that it has in every other format.
    """
    cause = np.stack(
        [
            judge(x[..., f], settings.missing_codes, *_limits(*feature, settings))
            for f, feature in enumerate(features)
        ],
        axis=-1,
    )
    impossible = int((cause == IMPOSSIBLE).sum())
    names = [name for name, _ in features]
    if {"volume", "speed"} <= set(names):
        v, s = names.index("volume"), names.index("speed")
        cause[..., s][(cause[..., v] == OBSERVED) & (x[..., v] == 0)] = NO_VEHICLE
    return cause, impossible


def _limits(feature: str, unit: str, settings: Table) -> tuple[float, float]:
    match feature:
        case "volume":
            return 0, np.inf
        case "occupancy":
            return 0, 100
        case "speed":
            return 0, settings.max_speed / KMH[unit] if unit in KMH else np.inf
    return -np.inf, np.inf
