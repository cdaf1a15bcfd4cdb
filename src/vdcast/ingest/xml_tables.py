"""XML documents as tables, without a Python object per element: checked by expat, read by xml2arrow.

Both are needed: xml2arrow takes a truncated document for a short one, and expat alone calls Python for each
element. A schema is a file ``NAME.yaml`` beside this module. Rows lie in the order of the document, and each carries
its number and those of the elements around it in columns called ``<level>``.
"""

import re
from collections.abc import Callable
from functools import cache
from math import prod
from pathlib import Path
from xml.parsers import expat

import numpy as np
import pyarrow as pa
import xml2arrow

from vdcast.ingest.files import RawFile

BOM = b"\xef\xbb\xbf"
ENCODINGS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "utf-16": "utf-16",
    "big5": "cp950",
    "cp950": "cp950",
}
_DECLARED = re.compile(rb"""<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z][\w.-]*)["']""")

Tables = dict[str, pa.RecordBatch]


def read(file: RawFile, data: bytes, schema: str, root: str, rows: str, namespace: str) -> Tables:
    """The tables of ``schema`` in a document whose root, in ``namespace`` or none, holds a list ``rows``.

    Raises InputError for what is not well-formed, is another document, or declares a DOCTYPE.
    """
    data = check(file, data, root, namespace)
    try:
        tables = _parser(schema).parse(data)
    except xml2arrow.exceptions.Xml2ArrowError as error:
        raise file.bad(f"is XML of another schema: {error}") from None
    if not tables["vds"].num_rows and not re.search(rb"<(\w+:)?%s\s*(/>|>\s*</)" % rows.encode(), data):
        raise file.bad(f"has no VD in <{rows}>; it is no <{root}> of the standard v2")
    return tables


@cache
def _parser(schema: str) -> xml2arrow.XmlToArrowParser:
    return xml2arrow.XmlToArrowParser(Path(__file__).with_name(f"{schema}.yaml"))


def _utf8(file: RawFile, data: bytes) -> bytes:
    """The document in UTF-8, whatever it says that it is in."""
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    data = data if wide else data.removeprefix(BOM).lstrip()
    declared = _DECLARED.match(data)
    name = "utf-16" if wide else declared[1].decode() if declared else "utf-8"
    encoding = ENCODINGS.get(name.lower())
    if encoding == "utf-8":
        return data
    if encoding is None:
        raise file.bad(f"is in the encoding {name}; UTF-8, UTF-16, Big5 and cp950 are read")
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        raise file.bad(f"is not text in the encoding {name} that it declares: {error}") from None


def check(
    file: RawFile,
    data: bytes,
    root: str,
    namespace: str | None,
    element: Callable[[str, dict[str, str], str], None] | None = None,
) -> bytes:
    """The document in UTF-8, well-formed and with the right root.

    ``element`` is shown the name and the attributes of every element in it, and the name of the one around it.

    One that declares a DOCTYPE is refused, so no entity is ever declared, expanded or fetched.
    """
    data = _utf8(file, data)
    if data[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise file.bad("is an HTML page, most likely an error message saved as data")
    parser = expat.ParserCreate("utf-8", " ")
    around = [root]

    def inside(name, attributes):
        assert element is not None  # or nobody would call
        element(name, attributes, around[-1])
        around.append(name)

    def first(name, attributes):
        own, _, local = name.rpartition(" ")
        if local != root:
            raise file.bad(f"its root is <{local}>, not the <{root}> of the standard")
        if own not in ("", namespace):
            raise file.bad(f"its <{root}> is of the namespace '{own}', not of '{namespace or ''}'")
        parser.StartElementHandler = None
        if element:
            parser.StartElementHandler, parser.EndElementHandler = inside, lambda _: around.pop()
            element(name, attributes, "")

    def doctype(*_):
        raise file.bad("declares a DOCTYPE, which no detector file needs; entities are not expanded")

    parser.StartElementHandler, parser.StartDoctypeDeclHandler = first, doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise file.bad(f"is not well-formed XML: {error}") from None
    return data


def parents(file: RawFile, parent: pa.RecordBatch, child: pa.RecordBatch) -> np.ndarray:
    """The row of ``parent`` that each row of ``child`` lies in, (rows,) i8.

    Raises InputError where rows of ``parent`` cannot be told apart: an element holds two lists of them.
    """
    levels = [name for name in parent.schema.names if name[0] == "<"]
    columns = [[table.column(name).to_numpy().astype("i8") for name in levels] for table in (parent, child)]
    sizes = [1 + max(int(a.max(initial=0)), int(b.max(initial=0))) for a, b in zip(*columns, strict=True)]
    if prod(sizes) > 2**62:
        raise file.bad("nests more elements than any snapshot has")
    own, theirs = (np.ravel_multi_index(numbers, sizes) for numbers in columns)
    if (np.diff(own) <= 0).any():
        raise file.bad(f"an element holds more than one list of {levels[-1]}")
    return np.searchsorted(own, theirs)
