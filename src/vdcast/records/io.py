"""Records that stages leave for each other, as JSON: written whole or not at all, checked when they are read."""

from pathlib import Path
from typing import TypeVar

import msgspec

from vdcast.data.files import replacing
from vdcast.errors import InputError, first_line

Record = TypeVar("Record", bound=msgspec.Struct)


def write(path: Path, record: msgspec.Struct) -> None:
    """Write ``record`` to ``path`` as JSON, its fields in their order, two spaces a level."""
    with replacing(path) as partial:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read(path: Path, type: type[Record], stage: str) -> Record:
    """The record in ``path``, which ``stage`` wrote. Raises InputError where it is missing or damaged."""
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=type)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run `dvc repro {stage}`") from None
    except msgspec.DecodeError as error:  # not JSON, or JSON of another shape
        raise InputError(
            f"{path} is damaged ({first_line(error)}); delete it and run `dvc repro {stage}`"
        ) from None
