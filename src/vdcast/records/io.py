"""Records as JSON files: written whole or not at all, checked against their type as they are read."""

from pathlib import Path
from typing import Any

import msgspec

from vdcast.data.files import replacing
from vdcast.errors import InputError


def write(path: Path, record: Any) -> None:
    """``record`` as JSON that a person can read; what is not finite is null."""
    with replacing(path) as partial:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")


def read(path: Path, type: Any, stage: str) -> Any:
    """The record of that ``type``. Raises InputError that names the ``stage`` to run where it is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=type)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run `dvc repro {stage}`") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is damaged ({error}); delete it and run `dvc repro {stage}`") from None
