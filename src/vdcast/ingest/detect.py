"""Which format files are of, where ``data.format`` is auto: told by what only that format looks like, or refused."""

import re
from collections.abc import Iterator

from vdcast.errors import InputError
from vdcast.ingest import files
from vdcast.ingest.files import RawFile
from vdcast.ingest.formats import pems_export, utd19, webtris
from vdcast.params.formats import FORMATS, Data, Known
from vdcast.params.words import check

SUFFIXES = tuple(
    [
        ".csv",
        ".txt",
        ".tsv",
        ".json",
        ".jsonl",
        ".ndjson",
        ".xml",
        ".npz",
        ".h5",
        ".hdf5",
        ".hdf",
        ".parquet",
        ".xlsx",
        ".xls",
        ".ods",
    ]
)
HEAD = 1 << 16  # bytes of each
_M0X = re.compile(r"\d{4}[-/]\d\d[-/]\d\d \d\d:\d\d,\w+,\w+,(31|32|41|42|5),")
_STATION = re.compile(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d,\d+,\d+,\d+,[NSEW],")


def resolved(settings: Data) -> tuple[Known, str | None]:
    """The settings of the format found, and the sentence that says which and why; as they are where one is set.

    Raises InputError where the files look like no format, or like several.
    """
    if settings.format != "auto":
        return settings, None
    listed = list(files.find(files.place(settings.raw), SUFFIXES, settings.files, settings.vd_list))
    found = sorted((each for each in listed if isinstance(each, RawFile)), key=lambda file: file.name)
    if not found:
        for error in listed:
            if isinstance(error, InputError):  # a damaged archive is no empty folder
                raise error
        raise InputError(f"data.raw '{settings.raw}' holds no file of any format ({', '.join(SUFFIXES)})")
    some = [found[i] for i in sorted({0, len(found) // 2, len(found) - 1})]
    looks = {name: (file, why) for file in some for name, why in _looks(file)}
    names = list(looks)
    if len(names) != 1:
        seen = "; ".join(f"'{file.name}' {why}: {name}" for name, (file, why) in looks.items())
        raise InputError(
            f"data.format auto cannot tell the format{f' ({seen})' * bool(seen)}; set data.format to one of "
            f"{', '.join(FORMATS)}"
        )
    (name, (file, why)), said = looks.popitem(), settings.settings(names[0])
    if name == "metr_la" and "feature" not in said:
        raise InputError(
            f"data.format auto: '{file.name}' {why}, and nothing in it says what its numbers are; set data.feature to speed "
            "or volume"
        )
    taken = f"data.format auto: {name}, because '{file.name}' {why}"
    try:
        return check("data", FORMATS[name], said), taken
    except InputError as error:
        raise InputError(f"{taken}; then {error}") from None


def _looks(file: RawFile) -> Iterator[tuple[str, str]]:
    """Each format that a file looks like, and why. Raises InputError for a table that says nothing of itself."""
    with file.open() as stream:
        head = stream.peek(HEAD)[:HEAD]
    name = file.name.rpartition("/")[2].lower().removesuffix(".gz")
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        yield "metr_la", "is an h5 table"
    elif head[:4] == b"PK\x03\x04" and name.endswith(".npz"):
        yield "pems_npz", "is an npz array"
    elif name.endswith((".json", ".jsonl", ".ndjson", ".xml")):
        yield from _marked(head)
    elif head[:4] in (b"PAR1", b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise _plain(file, "")
    else:
        encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        yield from _rows(file, name, head.decode(encoding, "replace").partition("\n")[0].rstrip("\r"))


def _marked(head: bytes) -> Iterator[tuple[str, str]]:
    if b"<XML_Head" in head:
        yield "taiwan_v11", "has the element XML_Head"
    if b"<VDLiveList" in head:
        yield "taiwan_vdlive", "has the element VDLiveList"
    elif b'"VDLives"' in head or (b'"VDID"' in head and b'"LinkFlows"' in head):
        yield "taiwan_vdlive", "has VDs with LinkFlows"


def _rows(file: RawFile, name: str, line: str) -> Iterator[tuple[str, str]]:
    mark = max(",;\t", key=line.count)
    cells = [cell.strip().strip('"') for cell in line.split(mark)]
    small = {" ".join(cell.lower().split()) for cell in cells}
    found = []
    if _M0X.match(line) and len(cells) == 6:
        if "m05a" not in name:
            raise InputError(
                f"data.format auto: '{file.name}' has rows as M05A and other products have, and its name does not say "
                "M05A; set data.format"
            )
        found.append(("taiwan_m05a", "has its rows of gantries and vehicle types, and its name"))
    if _STATION.match(line) and len(cells) >= 12:
        found.append(("pems_station", "begins with a station's row of 12 columns and more"))
    if set(webtris.COLUMNS) <= small:
        found.append(("webtris", f"has columns {webtris.END} and {webtris.VOLUME}"))
    if {*utd19.KEYS, "flow"} <= small:
        found.append(("utd19", f"has columns {', '.join(utd19.KEYS)} and flow"))
    if any(pems_export.is_measured(cell) for cell in cells[1:]):
        found.append(("pems_export", "has a column of flows, speeds or occupancies with its unit"))
    if not found:
        raise _plain(file, line)
    yield from found


def _plain(file: RawFile, line: str) -> InputError:
    begins = f" that begins with {line[:60]!r}" * bool(line)
    return InputError(
        f"data.format auto: '{file.name}' is a plain table{begins}, and what its numbers mean it does not say; set "
        "data.format to wide_table, long_table or day_rows"
    )
