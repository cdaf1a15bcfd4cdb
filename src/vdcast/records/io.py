"""Records that stages leave for each other, as JSON files."""

from pathlib import Path
from typing import TypeVar

import msgspec

from vdcast.data.files import replacing
from vdcast.errors import InputError, first_line

Record = TypeVar("Record")


def write(path: Path, record: msgspec.Struct) -> None:
    """Write ``record`` to ``path``, whole or not at all."""
    text = msgspec.json.format(msgspec.json.encode(record), indent=2)
    with replacing(path) as partial:
        partial.write_bytes(text + b"\n")


def read(path: Path, type: type[Record], stage: str) -> Record:
    """The record at ``path``, which ``stage`` leaves. Raises InputError where it is missing or damaged."""
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=type)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run `dvc repro {stage}`") from None
    except msgspec.DecodeError as error:  # of JSON, or of what it holds
        raise InputError(
            f"{path} is damaged ({first_line(error)}); delete it and run `dvc repro {stage}`"
        ) from None
