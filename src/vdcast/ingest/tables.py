"""CSV and parquet files as batches of text times and columns of numbers, in bounded memory."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from vdcast.ingest import clock
from vdcast.ingest.files import ALWAYS, EXPANSION, RawFile
from vdcast.params import Table

BLOCK_BYTES = 8 << 20
BATCH_CELLS = 1 << 20
CUT = "does not end in a line break, as these files do: it is truncated, and its last number may be cut short"
NULLS = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "-"]
SUFFIXES = (".csv", ".txt", ".parquet")


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
    stream: BinaryIO,
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


def ended(stream: io.BufferedReader) -> bool:
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
        what = re.sub(r"Row #(\d+)", lambda found: f"line {int(found[1]) + line - 1}", str(error))
        raise file.bad(f"is not a table of numbers as expected: {what}") from None
    except (pa.ArrowException, UnicodeError, LookupError) as error:
        raise file.bad(f"cannot be read as {encoding} text ({error})") from None


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
    if repeated := {name for name in names if names.count(name) > 1}:
        raise file.bad(f"names column {sorted(repeated)[0]!r} twice")
    return names


def _parquet(
    file: RawFile, stream: BinaryIO, texts: Sequence[str], numbers: Sequence[str] | None
) -> Iterator[pa.Table]:
    try:
        table = pa.parquet.ParquetFile(stream)
        columns = _choose(file, table.schema_arrow.names, texts, numbers)
        size = 8 * table.metadata.num_rows * len(columns)
        if size > max(ALWAYS, EXPANSION * file.size):
            raise file.bad(f"{file.size} bytes expand to {size}, as in a decompression bomb")
        rows = max(1, BATCH_CELLS // len(columns))
        for batch in table.iter_batches(batch_size=rows, columns=columns, use_threads=False):
            part = pa.Table.from_batches([batch])
            for i, name in enumerate(part.column_names):
                if name not in texts:
                    part = part.set_column(i, name, part.column(name).cast(pa.float64()))
            yield part
    except (pa.ArrowException, OSError) as error:
        raise file.bad(f"is a damaged parquet file, or has other columns than expected ({error})") from None


def _choose(
    file: RawFile, header: Sequence[str], texts: Sequence[str], numbers: Sequence[str] | None
) -> list[str]:
    """The columns to read, in the file's order."""
    for name in (*texts, *(numbers or ())):
        if name not in header:
            some = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
            raise file.bad(f"has no column {name!r}; it has {some}")
    if numbers is None and len(header) == len(texts):
        raise file.bad("has no column of numbers beside its time")
    return [name for name in header if numbers is None or name in numbers or name in texts]


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
    if pa.types.is_timestamp(column.type) and not column.null_count:
        values = column.cast(pa.timestamp("s", column.type.tz), safe=False).to_numpy().astype("M8[s]")
        aware = column.type.tz is not None
    else:
        texts = column.to_numpy() if pa.types.is_string(column.type) else np.array([], object)
        if not len(texts) or column.null_count:
            raise file.bad(
                f"its time column holds {column.type} with {column.null_count} empty cells, not times"
            )
        try:
            values, aware = clock.column(texts, settings.date_order)
        except ValueError as error:
            at, what = error.args
            raise file.bad(f"line {row + at}: {what}") from None
    if aware:
        return values.astype("i8"), np.ones(len(values), bool)
    return localiser.utc(values, groups)
