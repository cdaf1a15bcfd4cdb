"""Files that appear under their name whole or not at all, and end in a checksum of what they hold.

The checksum is a CRC-32, which finds every flipped bit and every damaged stretch of 32: it is against disks that fail, not
against people. Formats that are read from their beginning or by an index, as h5 and torch's are, do not mind what follows.
"""

import contextlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

SEAL = b"vdcast crc32 "  # and eight hexadecimal digits
SEAL_BYTES = len(SEAL) + 8
AT_ONCE = 16 << 20  # bytes


class Damaged(ValueError):
    """A file ends in another checksum than that of what it holds."""


class Unsealed(ValueError):
    """A file does not end in a checksum: it is none of ours, or of an earlier version."""


def seal(path: Path) -> None:
    """Write the checksum of ``path`` behind what it holds."""
    end = SEAL + checksum(path).encode()
    with path.open("ab") as file:
        file.write(end)


def check_seal(path: Path) -> None:
    """Raises Damaged where ``path`` is not as it was sealed, Unsealed where it never was. Reads all of it once, little at a time."""
    size = os.path.getsize(path) - SEAL_BYTES
    with path.open("rb") as file:
        file.seek(max(size, 0))
        end = file.read()
    if size < 0 or not end.startswith(SEAL):
        raise Unsealed("it ends in no checksum")
    if end != SEAL + f"{_checksum(path, size):08x}".encode():
        raise Damaged("it is not what its checksum says")


def checksum(path: Path) -> str:
    """Eight hexadecimal digits, of all that ``path`` holds."""
    return f"{_checksum(path, os.path.getsize(path)):08x}"


def _checksum(path: Path, size: int) -> int:
    """Of the first ``size`` bytes."""
    crc = 0
    with path.open("rb") as file:
        while size and (part := file.read(min(size, AT_ONCE))):
            crc, size = zlib.crc32(part, crc), size - len(part)
    return crc


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path``; what is written there takes the final name only when whole.

    An OSError that names no file, such as that of a full disk, gets the name of ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with partial.open("rb") as file:  # a name must not reach the disk before what it names
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        error.filename = error.filename or str(path)
        raise
    finally:
        partial.unlink(missing_ok=True)
