"""CSV, parquet and Excel files as batches of text times and columns of numbers, in bounded memory."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from vdcast.ingest import clock, sheets
from vdcast.ingest.files import ALWAYS, EXPANSION, MIB, RawFile
from vdcast.ingest.records import IMPOSSIBLE, NO_VEHICLE, OBSERVED, judge, widened
from vdcast.params.formats import OCCUPANCIES, SPEEDS, Table, TimedTable

BLOCK_BYTES = 8 << 20
BATCH_CELLS = 1 << 20
CUT = "does not end in a line break, as these files do: it is truncated, and its last number may be cut short"
NULLS = ["", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "-"]
SUFFIXES = (".csv", ".txt", ".tsv", ".parquet", *sheets.SUFFIXES)
DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
REPEATED = (
    0.01  # of the rows may repeat a detector and time and differ elsewhere; beyond, it is a key that does
)
_UNNAMED = re.compile(r"(Unnamed: \d+|__index_level_\d+__)?")  # what pandas calls, or leaves for, an index
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_COMMA_DECIMAL = re.compile(r"[+-]?(\d+,(\d{1,2}|\d{4,})|(0|\d{4,}),\d+|\d{1,3}(\.\d{3})+,\d+)")
_DOT_GROUPS = re.compile(r"[+-]?\d{1,3}(\.\d{3}){2,}")
_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{3}){2,}(\.\d+)?|[+-]?\d{1,3}(,\d{3})+\.\d+")
_DOT_EITHER = r"^\s*[+-]?[1-9]\d{0,2}(\.\d{3})+\s*$"  # a fraction, or thousands with dots between them
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d")
_HOUR = re.compile(r"(\d{1,2})(\.0*)?")


def batches(
    file: RawFile,
    settings: Table,
    counts: Counter,
    texts: Sequence[str],
    numbers: Sequence[str] | None,
) -> Iterator[tuple[int, pa.Table]]:
    """The table's columns, ``texts`` as they are and ``numbers`` (all others, if None) as f8, some rows at a time.

    Each part comes with the line of the file that its first row is in. Adds to ``counts`` where a CSV does not end
    in a line break: legal, but its last row may be cut.
    """
    if (kind := _kind(file)) == "parquet":
        with file.seekable() as stream:
            yield from _parquet(file, stream, settings, texts, numbers)
    elif kind == "sheet":
        yield from _sheet(file, settings, texts, numbers)
    else:
        with file.open() as raw, decoded(file, raw, settings.encoding) as stream:
            yield from _csv(file, stream, settings, counts, texts, numbers)


def columns_of(file: RawFile, settings: Table) -> list[str]:
    """The names of a table's columns, or their numbers where it has no header."""
    if (kind := _kind(file)) == "parquet":
        with file.seekable() as stream:
            return list(_schema(file, stream).names)
    if kind == "sheet":
        return sheets.read(file, settings.sheet, settings.header is not False)[0]
    with file.open() as raw, decoded(file, raw, settings.encoding) as stream:
        return _header(file, stream, settings, ())[0]


def _kind(file: RawFile) -> str:
    with file.open() as stream:
        start = stream.peek(8)[:8]
    if start[:4] == b"PAR1":
        return "parquet"
    return "sheet" if sheets.is_one(file.name, start) else "csv"


# --- CSV -------------------------------------------------------------------------------------------


def _csv(
    file: RawFile,
    stream: "io.BufferedReader[Any]",
    settings: Table,
    counts: Counter,
    texts: Sequence[str],
    numbers: Sequence[str] | None,
) -> Iterator[tuple[int, pa.Table]]:
    header, delimiter, rows = _header(file, stream, settings, (*texts, *(numbers or ())))
    columns = _choose(file, header, texts, numbers)
    line = 1 if settings.header is False else 2
    chosen = set(columns).difference(texts)
    wanted = [i for i, name in enumerate(header) if name in chosen]
    decimal, thousands = _marks(settings, (row[i].strip() for row in rows for i in wanted if i < len(row)))
    types = {name: pa.string() if name in texts else pa.float64() for name in columns}
    latest = None
    for part in read_csv(file, stream, header, types, line, Marks(delimiter, decimal, thousands)):
        if latest is not None:
            yield latest
        latest = line, part
        line += part.num_rows
    if latest is None:  # nothing but empty lines
        raise file.bad("has a header and no row")
    counts["unended"] += not ended(stream)  # before the last rows, which take the count with them
    yield latest


def _marks(settings: Table, cells: Iterator[str]) -> tuple[str | None, str | None]:
    """The mark of decimals and that of thousands: as set, or as only they can be meant in ``cells``, numbers.

    Where the one is a comma, the other is a dot: nothing else can a dot be there. None: no cell tells.
    """
    if settings.decimal or settings.thousands:
        decimal = settings.decimal or ("," if settings.thousands == "." else ".")
        return decimal, settings.thousands or ("." if decimal == "," else None)
    for cell in cells:
        if _COMMA_DECIMAL.fullmatch(cell) or _DOT_GROUPS.fullmatch(cell):
            return ",", "."
        if _COMMA_GROUPS.fullmatch(cell):
            return ".", ","
    return None, None


def _point(file: RawFile, text: pa.Array, rows: int, line: int) -> str | None:
    """``.`` where a number of ``text`` can be nothing but a fraction with it, None where none has a dot.

    Raises InputError where every dot may as well stand between thousands.
    """
    dotted = pa.compute.filter(text, pa.compute.match_substring(text, "."))
    if not len(dotted):
        return None
    if not pa.compute.all(pa.compute.match_substring_regex(dotted, _DOT_EITHER)).as_py():
        return "."
    at = pa.compute.index(text, dotted[0]).as_py()
    raise file.bad(
        f"line {line + at % rows}: {dotted[0].as_py()[:40]!r} may be a fraction or have a dot between thousands; set "
        "data.decimal or data.thousands to '.' (a format without these keys wants commas between its columns)"
    )


def _from_text(
    file: RawFile, text: pa.Array, rows: int, line: int, decimal: str, thousands: str | None
) -> pa.Array:
    """Numbers ``text``, columns of ``rows`` one after another of which the first is in ``line``, as f8."""
    mark, point = re.escape(thousands or ""), re.escape(decimal)
    grouped = (
        rf"[1-9]\d{{0,2}}({mark}\d{{3}})+|" if thousands else ""
    )  # no number begins with the thousands of 0
    plain = rf"^\s*[+-]?({grouped}\d*)({point}\d*)?([eE][+-]?\d+)?\s*$"
    good = pa.compute.fill_null(pa.compute.match_substring_regex(text, plain), True)
    if not pa.compute.all(good).as_py():
        at = pa.compute.index(good, False).as_py()
        cell = text[at].as_py()
        with_marks = f" with {thousands!r} between thousands" if thousands else ""
        raise file.bad(f"line {line + at % rows}: {cell[:40]!r} is no number{with_marks}{_hint(cell)}")
    text = pa.compute.utf8_trim_whitespace(text)
    if thousands:
        text = pa.compute.replace_substring(text, thousands, "")
    try:
        return pa.compute.replace_substring(text, decimal, ".").cast(pa.float64())
    except pa.ArrowInvalid as error:
        raise file.bad(f"line {line} or after: {error}") from None


class _AsUtf8(io.RawIOBase):
    """A stream of text in another encoding, as UTF-8; it knows the last byte that it gave."""

    def __init__(self, stream: BinaryIO, encoding: str):
        self._stream, self._decoder, self._left = stream, codecs.getincrementaldecoder(encoding)(), b""
        self.last = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while not self._left:
            data = self._stream.read(MIB)
            self._left = self._decoder.decode(data, final=not data).encode("utf-8", "surrogatepass")
            if not data:
                break
        data, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(data)] = data
        self.last = data[-1:] or self.last
        return len(data)


def decoded(
    file: RawFile, stream: "io.BufferedReader[Any]", encoding: str = "utf-8"
) -> "io.BufferedReader[Any]":
    """``stream`` as UTF-8 without a byte order mark; a mark of UTF-16 counts for more than ``encoding``."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise file.bad(
            f"data.encoding {encoding!r} is no encoding that is known, as utf-8, cp950 or utf-16"
        ) from None
    start = stream.peek(4)[:4]
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        name = "utf-16"
    elif start[:3] == codecs.BOM_UTF8:
        stream.read(3)
    if name in ("utf-8", "ascii"):
        return stream
    return io.BufferedReader(_AsUtf8(stream, name), MIB)


def ended(stream: "io.BufferedReader[Any]") -> bool:
    """Whether a file, read to its end, ends in a line break."""
    return stream.raw.last == b"\n"


class Marks(NamedTuple):
    """What stands between the cells of CSV, and in its numbers."""

    delimiter: str
    decimal: str | None = None  # None: whatever the numbers show
    thousands: str | None = None


COMMAS = Marks(",")


def read_csv(
    file: RawFile,
    body: BinaryIO,
    names: Sequence[str],
    types: dict[str, pa.DataType],
    line: int,
    marks: Marks = COMMAS,
) -> Iterator[pa.Table]:
    """Rows of CSV without a header, the first in ``line`` of the file, strictly typed; ``names`` are of all columns.

    Where commas split the columns a dot is that of a fraction, unless ``marks`` say otherwise; where
    something else does, the numbers themselves must tell what it is.
    """
    numbers = [name for name, kind in types.items() if kind == pa.float64()]
    decimal = marks.decimal
    as_text = marks.thousands is not None or (decimal is None and marks.delimiter != ",")
    try:
        reader = pa.csv.open_csv(
            body,
            pa.csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=list(names)),
            pa.csv.ParseOptions(newlines_in_values=False, delimiter=marks.delimiter),
            pa.csv.ConvertOptions(
                column_types=types | dict.fromkeys(numbers, pa.string()) if as_text else types,
                include_columns=list(types),
                null_values=NULLS,
                strings_can_be_null=True,
                decimal_point=decimal or ".",
            ),
        )
        first = line
        for batch in reader:
            part, rows = pa.Table.from_batches([batch]), batch.num_rows
            if as_text and numbers:
                text = pa.concat_arrays([batch.column(name) for name in numbers])
                decimal = decimal or _point(file, text, rows, first)
                x = _from_text(file, text, rows, first, decimal or ".", marks.thousands)
                columns = {name: x.slice(i * rows, rows) for i, name in enumerate(numbers)}
                part = pa.table({name: columns.get(name, part.column(name)) for name in part.column_names})
            yield part
            first += rows
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):
            raise file.bad("has a header and no row") from None
        if "UTF8" in str(error):
            raise file.bad(f"cannot be read as utf-8 text ({error}); set data.encoding") from None
        invalid = re.search(r"invalid value '([^']*)'", str(error))
        raise file.bad(
            f"is not a table of numbers as expected: {in_lines(error, line)}{_hint(invalid[1]) if invalid else ''}"
        ) from None
    except (pa.ArrowException, UnicodeError, LookupError) as error:
        raise file.bad(f"cannot be read as text ({error}); set data.encoding") from None


def _hint(cell: str) -> str:
    """What a number with a comma in it may need."""
    comma = "," in cell and _NUMBER.fullmatch(cell.replace(",", "", cell.count(",") - 1))
    return "; set data.thousands or data.decimal to ','" if comma else ""


def in_lines(error: Exception, first: int) -> str:
    """What arrow says of a row, of the line of the file; its first row is in line ``first``."""
    return re.sub(r"Row #(\d+)", lambda found: f"line {int(found[1]) + first - 1}", str(error))


def header_of(
    file: RawFile, stream: "io.BufferedReader[Any]", right: Callable[[list[str]], bool]
) -> tuple[list[str], str]:
    """The names in the first line, which is taken from the stream, and the mark between them.

    The mark is the only one that splits the line, or that gives names that are ``right``.
    """
    names, delimiter = _split(file, _first_line(file, stream.readline(1 << 22)), None, right)
    return _distinct(file, names), delimiter


def _header(
    file: RawFile,
    stream: "io.BufferedReader[Any]",
    settings: Table,
    needed: Sequence[str],
) -> tuple[list[str], str, list[list[str]]]:
    """Names of the columns, the mark between them, and some rows. Raises InputError where a header may be none."""
    try:
        begin = stream.peek(MIB)
        line = begin.split(b"\n", 1)[0] if settings.header is False else stream.readline(1 << 22)
    except UnicodeError as error:
        raise file.bad(f"cannot be read as {settings.encoding} text: {error}; set data.encoding") from None
    names, delimiter = _split(file, _first_line(file, line), settings.delimiter, set(needed).issubset)
    body = begin.decode("utf-8", "replace").splitlines()[settings.header is not False :][:200]
    rows = list(csv.reader(body, delimiter=delimiter))
    if settings.header is False:
        return [str(i + 1) for i in range(len(names))], delimiter, rows
    if settings.header is None and _may_be_values(names, rows):
        some = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        raise file.bad(
            f"its first line ({some}) may be a row of values or names of columns; set data.header to false or true"
        )
    return _distinct(file, names), delimiter, rows


def _first_line(file: RawFile, line: bytes) -> str:
    if not line.strip():
        raise file.bad("is empty")
    if line.lstrip()[:1] == b"<":
        raise file.bad("is not a table; it begins like an HTML or XML page")
    try:
        text = line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise file.bad(f"its header cannot be read as utf-8: {error}; set data.encoding") from None
    if "\0" in text:
        raise file.bad("its first line holds zero bytes, as UTF-16 does; set data.encoding")
    return text


def _split(
    file: RawFile, line: str, delimiter: str | None, right: Callable[[list[str]], bool]
) -> tuple[list[str], str]:
    """The cells of a line, and the mark between them."""
    cells = {}
    for mark in [delimiter] if delimiter else [mark for mark in DELIMITERS if mark in line] or [","]:
        try:
            cells[mark] = [cell.strip() for cell in next(csv.reader([line], delimiter=mark), [""])]
        except csv.Error as error:
            raise file.bad(f"its first line is no CSV: {error}") from None
    if delimiter:
        return cells[delimiter], delimiter
    many = {mark: found for mark, found in cells.items() if len(found) > 1}
    if len(many) > 1:
        fit = {mark: found for mark, found in many.items() if right(found)}
        many = fit or dict([next(iter(many.items()))])  # which of the names it lacks is said then
    if len(many) > 1:
        raise file.bad(
            f"its columns may be split by {' or '.join(DELIMITERS[mark] for mark in many)}; set data.delimiter"
        )
    mark = next(iter(many or cells))
    return cells[mark], mark


def _may_be_values(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a first line of nothing but numbers may be a row of values: ids are far above them all, or count up."""
    if not all(_NUMBER.fullmatch(name) for name in names):
        return False
    if not all(name.isascii() and name.isdigit() for name in names):
        return True
    ids = [int(name) for name in names]
    if len(ids) > 2 and ids == list(range(ids[0], ids[0] + len(ids))) and ids[0] in (0, 1):
        return False
    values = [
        float(c.replace(",", ".")) for row in rows for cell in row if _NUMBER.fullmatch(c := cell.strip())
    ]
    return bool(values) and min(ids) <= 10 * max(values)


def _distinct(file: RawFile, names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        repeated = sorted(name for name, n in Counter(names).items() if n > 1)
        raise file.bad(f"names column {repeated[0][:40]!r} twice")
    return names


# --- parquet and Excel -----------------------------------------------------------------------------


def _schema(file: RawFile, stream: BinaryIO) -> pa.Schema:
    try:
        schema = pa.parquet.read_schema(stream)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise file.bad(f"is a damaged parquet file ({error})") from None
    _distinct(file, list(schema.names))
    return schema


def _parquet(
    file: RawFile, stream: BinaryIO, settings: Table, texts: Sequence[str], numbers: Sequence[str] | None
) -> Iterator[tuple[int, pa.Table]]:
    schema = _schema(file, stream)
    columns = _choose(file, schema.names, texts, numbers)
    line = 2
    try:
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
            plain = dict(zip(part.column_names, map(_plain, part.columns), strict=True))
            for column in plain.values():
                column.validate(full=True)  # text may be no UTF-8
            part = pa.table(
                {
                    n: _texts(file, n, c) if n in texts else _numbers(file, n, c, settings, line)
                    for n, c in plain.items()
                }
            )
            yield line, part
            line += part.num_rows
            left -= part.num_rows
        if left:
            raise file.bad(
                f"is a damaged parquet file: it lacks {left} of its {table.metadata.num_rows} rows"
            )
    except (pa.ArrowException, OSError, UnicodeError) as error:
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
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def _numbers(
    file: RawFile, name: str, column: pa.ChunkedArray, settings: Table, line: int
) -> pa.ChunkedArray:
    if pa.types.is_boolean(column.type):
        raise file.bad(f"column {name[:40]!r} holds true and false, not numbers")
    if column.type in (pa.float16(), pa.float32()):
        return pa.chunked_array([widened(column.to_numpy(), settings.missing_codes)])
    if pa.types.is_string(column.type):
        text = column.combine_chunks()
        decimal, thousands = _marks(settings, (cell.strip() for cell in text[:200].to_pylist() if cell))
        decimal = decimal or _point(file, text, len(text), line) or "."
        return pa.chunked_array([_from_text(file, text, len(text), line, decimal, thousands)])
    return column.cast(pa.float64())


def _texts(file: RawFile, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of names or times; whole numbers that pandas has made fractions of are whole again."""
    if not pa.types.is_floating(column.type):
        return column
    x = column.to_numpy().astype("f8")
    most = 2.0 ** (24 if column.type in (pa.float16(), pa.float32()) else 53)
    if (odd := ~np.isnan(x) & ((x != np.floor(x)) | (abs(x) >= most))).any():
        raise file.bad(
            f"column {name[:40]!r} holds the fraction {x[odd.argmax()]:.17g}, which names nothing: names are text or whole numbers"
        )
    return column.cast(pa.int64())


def names_of(file: RawFile, column: pa.DictionaryArray) -> list[str]:
    """The different names of a column, without spaces around them. Raises InputError where two differ in these alone."""
    names = [name.strip() for name in column.dictionary.to_pylist()]
    if len(set(names)) < len(names):
        twice = next(name for name, n in Counter(names).items() if n > 1)
        raise file.bad(f"names detector {twice[:40]!r} with and without spaces around it: one, or two?")
    return names


def _sheet(
    file: RawFile, settings: Table, texts: Sequence[str], numbers: Sequence[str] | None
) -> Iterator[tuple[int, pa.Table]]:
    header, rows = sheets.read(file, settings.sheet, settings.header is not False)
    if settings.header is None and _may_be_values(
        header, [[str(cell) for cell in row] for row in rows[:200]]
    ):
        raise file.bad("its first row may be values or names of columns; set data.header to false or true")
    columns = _choose(file, _distinct(file, header), texts, numbers)
    line = 1 if settings.header is False else 2
    if not rows:
        raise file.bad("has a header and no row")
    part, place = {}, {name: i for i, name in enumerate(header)}
    for name in columns:
        cells = [row[place[name]] for row in rows]
        part[name] = (
            sheets.as_text(cells) if name in texts else sheets.as_numbers(file, name, cells, NULLS, line)
        )
    yield line, pa.table(part)


def _choose(
    file: RawFile, header: Sequence[str], texts: Sequence[str], numbers: Sequence[str] | None
) -> list[str]:
    """The columns to read, in the file's order."""
    known = set(header)
    for name in (*texts, *(numbers or ())):
        if name not in known:
            some = ", ".join(header[:12]) + (", ..." if len(header) > 12 else "")
            values = all(map(_NUMBER.fullmatch, header)) or any(map(_DATE.match, header))
            hint = (
                "; if that is a row of values, set data.header to false and name columns by their number"
                * values
            )
            raise file.bad(f"has no column {name!r}; it has {some}{hint}")
    if numbers is None and len(header) == len(texts):
        raise file.bad("has no column of numbers beside its time")
    wanted = known if numbers is None else {*numbers, *texts}
    chosen = [name for name in header if name in wanted]
    for name in chosen:
        if name not in texts and _UNNAMED.fullmatch(name):
            raise file.bad(
                f"column {header.index(name) + 1} is called {name!r}, as an index is that pandas has written; write "
                "the table without it (index=False), name the detectors in data.columns, or, where it holds the times, "
                f"set data.time_column to '{name}'"
            )
    return chosen


def number(part: pa.Table, name: str) -> np.ndarray:
    """A column as (rows,) f8, NaN where it is empty."""
    return part.column(name).to_numpy()


# --- times -----------------------------------------------------------------------------------------


def times(
    part: pa.Table,
    settings: TimedTable,
    localiser: clock.Localiser,
    groups: np.ndarray | None,
    values: np.ndarray,
    row: int,
) -> tuple[np.ndarray, np.ndarray]:
    """The times of a part, whose first row is in line ``row``, as Unix seconds (rows,), and which of them exist.

    ``groups`` (rows,) says whose row each is, ``values`` (rows, F) what it holds: see ``clock.Localiser``.
    """
    file = localiser.file
    if len(settings.time_columns) == 1:
        column = part.column(settings.time_columns[0])
        time, aware = local(file, column, settings, row)
        if settings.interval < clock.DAY and _dates_alone(column):
            raise file.bad(
                f"line {row}: its times are dates without a time of day, and data.interval is {settings.interval} s; set "
                "data.date_column to this column, and data.hour_column or data.time_column to that of the time of day"
            )
    else:
        time, aware = _of_two(file, part, settings, row), False
    if settings.time_marks == "end":
        time = time - np.timedelta64(settings.interval, "s")
    if aware:
        return time.astype("i8"), np.ones(len(time), bool)
    return localiser.utc(time, groups, values)


def _dates_alone(column: pa.ChunkedArray) -> bool:
    if pa.types.is_date(column.type):
        return True
    return pa.types.is_string(column.type) and len(column) > 0 and clock.date_alone(column[0].as_py() or "")


def _of_two(file: RawFile, part: pa.Table, settings: TimedTable, row: int) -> np.ndarray:
    """Local times of a column of dates and one of times of day, or of hours."""
    dates, clocks = (part.column(name) for name in settings.time_columns)
    day = days(file, dates, settings, row)
    if clocks.null_count:
        raise file.bad(f"line {row} or after: a row has no {settings.time_columns[1]}")
    texts = clocks.cast(pa.string()).to_numpy()
    try:
        if settings.hour_column is None:
            return day + clock.of_day(texts)
        return day + _hours(texts, settings)
    except ValueError as error:
        at, what = error.args
        raise file.bad(f"line {row + at}: {what}") from None


def _hours(texts: np.ndarray, settings: TimedTable) -> np.ndarray:
    """Hours of the day as m8[s]. Raises ValueError, the row first."""
    hours = {}
    for text in dict.fromkeys(texts.tolist()):
        found = _HOUR.fullmatch(text.strip())
        hour = int(found[1]) if found else 99
        at = int((texts == text).argmax())
        if hour > 24:
            raise ValueError(at, f"hour {text[:40]!r} is not one of 0 to 23")
        if hour == 24 and settings.time_marks is None:
            raise ValueError(
                at,
                "hour 24: hours may be called as they begin or as they end; set data.time_marks to start or end",
            )
        hours[text] = 3600 * hour
    return np.array([hours[text] for text in texts.tolist()], "m8[s]")


def days(file: RawFile, column: pa.ChunkedArray, settings: Table, row: int) -> np.ndarray:
    """A column of dates as datetime64[s] (rows,): the midnight of each in ``settings.time_zone``.

    An offset is believed where it makes that midnight. Raises InputError for dates with another time of day.
    """
    day, aware = local(file, column, settings, row)
    if aware:
        localiser = clock.pd.DatetimeIndex(day).tz_localize("UTC").tz_convert(settings.time_zone)
        day = localiser.tz_localize(None).to_numpy().astype("M8[s]")
    if (odd := day != day.astype("M8[D]")).any():
        at = int(odd.argmax())
        raise file.bad(
            f"line {row + at}: date {str(column[at].as_py())[:40]!r} is not midnight in {settings.time_zone}, so it does not "
            "name a day there"
        )
    return day


def local(file: RawFile, column: pa.ChunkedArray, settings: Table, row: int) -> tuple[np.ndarray, bool]:
    """A column of times as datetime64[s] (rows,), and whether they are UTC or local."""
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
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


# --- what rows mean --------------------------------------------------------------------------------


def further_keys(file: RawFile, settings: Table, used: Sequence[str], keys: np.ndarray) -> list[str]:
    """Columns that tell apart the rows of one detector and time: ``keys`` (n,) says which those are, of the first rows.

    None where few rows have the key of another, or nothing but ``used`` differs: those are copies.
    """
    _, group, counts = np.unique(keys, return_inverse=True, return_counts=True)
    if len(keys) - len(counts) <= REPEATED * len(keys):
        return []
    names = [name for name in columns_of(file, settings) if name not in used and not _UNNAMED.fullmatch(name)]
    if not names:
        return []
    found, several = [], (counts > 1).sum()
    _, part = next(batches(file, settings, Counter(), names, []))
    part = part.slice(0, len(keys))
    for name in names:
        codes = part.column(name).combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy()
        order = np.lexsort((codes, group[: len(codes)]))
        differ = (np.diff(group[order]) == 0) & (np.diff(codes[order]) != 0)
        if len(np.unique(group[order][1:][differ])) > several / 2:
            found.append(name)
    return found


def judged(x: np.ndarray, features: Sequence[tuple[str, str]], settings: Table) -> tuple[np.ndarray, int]:
    """Why each of ``x`` (..., F) is missing, (..., F) u1, and how many are impossible.

    What is called volume, speed or occupancy has the limits that it has in every other format.
    """
    cause = np.stack(
        [
            judge(x[..., f], settings.missing_codes, *limits(*feature, settings))
            for f, feature in enumerate(features)
        ],
        axis=-1,
    )
    impossible = int((cause == IMPOSSIBLE).sum())
    names = [name.lower() for name, _ in features]
    if {"volume", "speed"} <= set(names):
        v, s = names.index("volume"), names.index("speed")
        cause[..., s][(cause[..., v] == OBSERVED) & (x[..., v] == 0)] = NO_VEHICLE
    return cause, impossible


def limits(feature: str, unit: str, settings: Table) -> tuple[float, float]:
    """Lowest and highest possible value, in the unit that the table gives it in."""
    unit = unit.strip().lower()
    match feature.lower():
        case "volume":
            return 0, np.inf
        case "occupancy":
            return 0, 100 / OCCUPANCIES[unit]
        case "speed":
            return 0, settings.max_speed / SPEEDS[unit]
    return -np.inf, np.inf
