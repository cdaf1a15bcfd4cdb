"""Raw files: found in a folder or a zip archive, opened, and bounded.

Nothing is ever extracted to disk: a member of an archive is read in memory, under a limit on how far it
may expand. Whatever a file turns out to be, opening it raises InputError or gives its bytes.
"""

import contextlib
import fnmatch
import functools
import gzip
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from vdcast.errors import InputError

MIB = 1 << 20
GZIP = b"\x1f\x8b"
EXPANSION = 200  # traffic snapshots compress 10 to 80 times, bombs a thousand times
ALWAYS = 64 * MIB  # small files may expand to this, whatever the ratio
IN_MEMORY = 512 * MIB  # what a format that reads a file as a whole takes at most


@dataclass(frozen=True)
class RawFile:
    """A file, or a member of a zip archive; ``stamp`` changes when its content does."""

    path: Path
    member: str | None
    name: str
    size: int
    stamp: str

    @property
    def limit(self) -> int:
        """Bytes that it may expand to."""
        return max(ALWAYS, EXPANSION * self.size)

    @property
    def key(self) -> str:
        return f"{self.name}\0{self.size}\0{self.stamp}"

    def bad(self, what: str) -> InputError:
        """The sentence for a file that cannot be used."""
        what = " ".join(what.split())  # a library's message may quote the file at length
        return InputError(f"'{self.name}': {what[:300]}{'...' if len(what) > 300 else ''}")

    def read(self) -> bytes:
        """The whole content, decompressed; for files of at most ``IN_MEMORY`` bytes."""
        room = min(self.limit, IN_MEMORY)
        if self.size > room:
            raise self.bad(f"is larger than {room // MIB} MiB; one snapshot is a few")
        try:
            with self._stored() as stored:
                data = stored.read()
            if data[:2] == GZIP:
                data = self._gunzip(data, room)
        except zipfile.BadZipFile as error:
            raise self.bad(f"is a damaged member of its zip archive ({error})") from None
        except (EOFError, zlib.error) as error:
            raise self.bad(f"is a truncated or damaged gzip file ({error})") from None
        if not data.strip():
            raise self.bad("is empty")
        return data

    def _gunzip(self, data: bytes, room: int) -> bytes:
        """All members of a gzip file at once, which ``gzip`` would take in small steps."""
        parts = []
        while data:
            member = zlib.decompressobj(wbits=31)
            parts.append(member.decompress(data, room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise self._bomb()
            if not member.eof:
                raise EOFError("it ends before its end is marked")
            data = member.unused_data.lstrip(b"\0")
        return b"".join(parts)

    def _bomb(self) -> InputError:
        return self.bad(f"{self.size} bytes expand to more than {self.limit}, as in a decompression bomb")

    @contextlib.contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The content as a stream; gzip is told by its first bytes, not by the name."""
        try:
            with self._stored() as stored:
                packed = stored.peek(2)[:2] == GZIP
                plain = gzip.GzipFile(fileobj=stored) if packed else stored
                with io.BufferedReader(_Bounded(plain, self), MIB) as stream:
                    yield stream
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self.bad(f"is a truncated or damaged gzip file ({error})") from None
        except zipfile.BadZipFile as error:
            raise self.bad(f"is a damaged member of its zip archive ({error})") from None

    @contextlib.contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """The content as a stream to jump about in, for formats that keep an index."""
        with self._stored() as stored:
            plain = self.member is None and stored.peek(2)[:2] != GZIP
            yield stored if plain else io.BytesIO(self.read())

    @contextlib.contextmanager
    def _stored(self) -> Iterator[io.BufferedReader]:
        if self.member is None:
            with open(self.path, "rb") as stream:
                yield stream
        else:
            try:
                stream = _archive(self.path, os.getpid()).open(self.member)
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
                raise self.bad(f"cannot be read from its zip archive ({error})") from None
            with stream:
                yield stream


def find(
    raw: Path, suffixes: tuple[str, ...], pattern: str, vd_list: str | None = None
) -> Iterator["RawFile | str | InputError"]:
    """Every file of a format under ``raw`` but ``vd_list``, in no order.

    Between them, as text, the names of files passed over, and, as errors, archives and members that are
    bad before they are opened. Raises InputError where ``raw`` does not exist, or ``vd_list`` is not in it.
    """
    if not raw.exists():
        raise InputError(f"data.raw '{raw}' does not exist; set it to a file or a folder of raw files")
    if vd_list and (
        ".." in Path(vd_list).parts or Path(vd_list).is_absolute() or not (raw / vd_list).is_file()
    ):
        raise InputError(
            f"data.vd_list '{vd_list}' is no file in the folder data.raw '{raw}'; put it there and give its name "
            "in it: what lies there makes ingest run again when it changes"
        )
    for path in _walk(raw):
        if vd_list and path == raw / vd_list:
            continue
        name = path.relative_to(raw if raw.is_dir() else raw.parent).as_posix()
        if path.suffix.lower() == ".zip" and ".zip" not in suffixes:
            yield from _members(path, name, suffixes, pattern)
        elif path == raw or _wanted(name, suffixes, pattern):
            state = path.stat()
            if stat.S_ISREG(state.st_mode):
                yield RawFile(path, None, name, state.st_size, str(state.st_mtime_ns))
        else:
            yield name


def _walk(raw: Path) -> Iterator[Path]:
    if not raw.is_dir():
        yield raw
        return
    with os.scandir(raw) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(raw / entry.name)
            else:
                yield raw / entry.name


def _wanted(name: str, suffixes: tuple[str, ...], pattern: str) -> bool:
    path = PurePosixPath(name)
    plain = path.stem if path.suffix.lower() == ".gz" else path.name
    return PurePosixPath(plain).suffix.lower() in suffixes and fnmatch.fnmatch(path.name, pattern)


def _members(
    path: Path, name: str, suffixes: tuple[str, ...], pattern: str
) -> Iterator["RawFile | str | InputError"]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        yield InputError(f"'{name}': is a truncated or damaged zip archive ({error})")
        return
    seen: set[str] = set()
    for member in members:
        label = f"{name}/{member.filename}"
        if member.is_dir():
            continue
        if member.filename.startswith(("/", "\\")) or ".." in PurePosixPath(member.filename).parts:
            yield InputError(f"'{label}': this member points outside its archive; do not unpack it")
        elif member.filename in seen:
            yield InputError(f"'{label}': the archive holds this name twice")
        elif _wanted(member.filename, suffixes, pattern):
            seen.add(member.filename)
            if member.file_size > max(ALWAYS, EXPANSION * member.compress_size):
                yield InputError(
                    f"'{label}': {member.compress_size} bytes expand to {member.file_size}, as in a "
                    "decompression bomb"
                )
                continue
            yield RawFile(path, member.filename, label, member.file_size, f"{member.CRC:08x}")
        else:
            yield label


@functools.lru_cache(maxsize=2)
def _archive(path: Path, process: int) -> zipfile.ZipFile:
    """The archive, opened once per process: forked ones would share its position in the file."""
    return zipfile.ZipFile(path)


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than its file may hold."""

    def __init__(self, stream: BinaryIO, file: RawFile):
        self._stream, self._file, self._given = stream, file, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._stream.read(len(buffer))
        self._given += len(data)
        if self._given > self._file.limit:
            raise self._file._bomb()
        buffer[: len(data)] = data
        return len(data)
