"""Records as JSON files: written whole or not at all, checked against their type and their checksum as they are read.

The last member of a record is the CRC-32 of the text without it: a flipped bit of a number would still be a number.
"""

import re
import zlib
from pathlib import Path
from typing import Any

import msgspec

from vdcast.data.files import Damaged, replacing
from vdcast.errors import InputError

SEALED = re.compile(rb'(.*),\n  "crc32": "([0-9a-f]{8})"(\n}\n)', re.DOTALL)


def publish(path: Path, figures: dict[str, Any]) -> None:
    """``figures`` for others, such as DVC, as JSON that a person can read and with nothing beside them; what is not finite is null."""
    with replacing(path) as partial:
        partial.write_bytes(_text(figures))


def write(path: Path, record: msgspec.Struct) -> None:
    """``record`` for ``read``, as JSON that a person can read; what is not finite is null."""
    text = _text(record)
    with replacing(path) as partial:
        partial.write_bytes(text[:-3] + f',\n  "crc32": "{zlib.crc32(text):08x}"'.encode() + text[-3:])


def read(path: Path, type: Any, stage: str) -> Any:
    """The record of that ``type``. Raises InputError that names the ``stage`` to run where it is missing or damaged."""
    try:
        return msgspec.json.decode(_checked(path.read_bytes()), type=type)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run `dvc repro {stage}`") from None
    except (Damaged, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it and run `dvc repro {stage}`") from None


def _text(content: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _checked(sealed: bytes) -> bytes:
    """The text as it was before ``write`` put the checksum into it. Raises Damaged where it is another one."""
    if not (parts := SEALED.fullmatch(sealed)):
        raise Damaged("it ends in no checksum")
    text = parts[1] + parts[3]
    if f"{zlib.crc32(text):08x}".encode() != parts[2]:
        raise Damaged("it is not what its checksum says")
    return text
