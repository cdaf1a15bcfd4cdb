"""Sheets of Excel and LibreOffice workbooks, as rows of cells. Needs the extra ``excel``."""

import datetime
import io
import zipfile
from collections.abc import Sequence

import pyarrow as pa

from vdcast.ingest.files import ALWAYS, EXPANSION, RawFile

SUFFIXES = (".xlsx", ".xls", ".ods")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def is_one(name: str, start: bytes) -> bool:
    """Whether a file that begins with ``start`` is a workbook."""
    return start[:4] == _OLE or (start[:4] == _ZIP and name.lower().removesuffix(".gz").endswith(SUFFIXES))


def read(file: RawFile, sheet: str | None, header: bool) -> tuple[list[str], list[list]]:
    """Names of the columns (their numbers, without a ``header``) and the rows below them.

    Raises InputError where the workbook has several sheets and ``sheet`` names none of them.
    """
    try:
        import python_calamine
    except ImportError:
        raise file.bad(
            "is a workbook; reading it needs python-calamine: pip install 'vdcast[excel]'"
        ) from None
    data = file.read()
    _check_size(file, data)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        names = book.sheet_names
        if (sheet is None and len(names) != 1) or (sheet is not None and sheet not in names):
            raise file.bad(f"has sheets {', '.join(names)}; set data.sheet to one of them")
        rows = book.get_sheet_by_name(names[0] if sheet is None else sheet).to_python()
    except (python_calamine.CalamineError, ValueError, OSError) as error:
        if type(error).__name__ == "InputError":
            raise
        raise file.bad(f"is a damaged workbook ({error})") from None
    if not rows or not any(_text(cell) for cell in rows[0]):
        raise file.bad("its sheet has no first row")
    width = max(map(len, rows))
    rows = [row + [""] * (width - len(row)) for row in rows]
    if not header:
        return [str(i + 1) for i in range(width)], rows
    return [_text(cell) for cell in rows[0]], rows[1:]


def _check_size(file: RawFile, data: bytes) -> None:
    if data[:4] != _ZIP:
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise file.bad(f"is a damaged workbook ({error})") from None
    if size > max(ALWAYS, EXPANSION * len(data)):
        raise file.bad(f"{len(data)} bytes expand to {size}, as in a decompression bomb")


def _text(cell) -> str:
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip()


def as_text(cells: Sequence) -> pa.Array:
    """A column of times or names; times stay times. A midnight among them is read as a date."""
    kinds = {type(cell) for cell in cells if cell != ""}
    if kinds == {datetime.date}:
        return pa.array([None if cell == "" else cell for cell in cells], pa.date32())
    if kinds and kinds <= {datetime.datetime, datetime.date}:
        return pa.array([None if cell == "" else _instant(cell) for cell in cells], pa.timestamp("us"))
    return pa.array([_text(cell) or None for cell in cells], pa.string())


def _instant(cell: datetime.date) -> datetime.datetime:
    """A time to the second: a sheet keeps it as a fraction of a day, and sums of these fall short of it."""
    if not isinstance(cell, datetime.datetime):
        return datetime.datetime.combine(cell, datetime.time())
    return (cell + datetime.timedelta(milliseconds=500)).replace(microsecond=0)


def as_numbers(file: RawFile, name: str, cells: Sequence, nulls: Sequence[str], line: int) -> pa.Array:
    """A column as f8. Raises InputError for a cell that is none, by its line."""
    values: list[float | None] = []
    for i, cell in enumerate(cells):
        if isinstance(cell, str) and cell.strip() in nulls:
            values.append(None)
        elif type(cell) in (int, float):
            values.append(float(cell))
        else:
            raise file.bad(f"line {line + i}: column {name!r} holds {str(cell)[:40]!r}, not a number")
    return pa.array(values, pa.float64())
