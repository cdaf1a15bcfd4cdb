"""Raw files: found in a folder, a zip or a tar archive, opened, and bounded.

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
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from vdcast.errors import InputError

MIB = 1 << 20
GZIP = b"\x1f\x8b"
EXPANSION = 200  # traffic snapshots compress 10 to 80 times, bombs a thousand times
ALWAYS = 64 * MIB  # small files may expand to this, whatever the ratio
MACOS = "__MACOSX"  # the folder in a zip in which macOS keeps what its Finder knows of each file
IN_MEMORY = 512 * MIB  # what a format that reads a file as a whole takes at most


@dataclass(frozen=True)
class RawFile:
    """A file, or a member of an archive; ``stamp`` changes when its content does."""

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
            raise self._too_large()
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
        parts, left = [], room
        while data:
            member = zlib.decompressobj(wbits=31)
            parts.append(member.decompress(data, left + 1))
            left -= len(parts[-1])
            if left < 0:
                raise self._too_large() if room == IN_MEMORY < self.limit else self.bomb(room)
            if not member.eof:
                raise EOFError("it ends before its end is marked")
            data = member.unused_data.lstrip(b"\0")
        return b"".join(parts)

    def _too_large(self) -> InputError:
        what = (
            "split it, or pack a zip, whose files are read one by one" if _is_tar(self.path) else "split it"
        )
        return self.bad(f"is larger than {IN_MEMORY // MIB} MiB, and can be read only as a whole; {what}")

    def bomb(self, limit: int) -> InputError:
        """The sentence for a file that expands to more than ``limit`` bytes."""
        return self.bad(f"{self.size} bytes expand to more than {limit}, as in a decompression bomb")

    @contextlib.contextmanager
    def open(self) -> Iterator["io.BufferedReader[_Bounded]"]:
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
            return
        state = self.path.stat()
        version = self.path, state.st_mtime_ns, state.st_size
        if _is_tar(self.path):
            data, members = _tar(*version)
            if self.member not in members:
                raise self._gone()
            at = members[self.member]
            yield io.BufferedReader(io.BytesIO(data[at.offset_data : at.offset_data + at.size]))
        else:
            try:
                unpacked = _zip(*version, os.getpid()).open(self.member)
            except KeyError:
                raise self._gone() from None
            except (zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
                raise self.bad(f"cannot be read from its zip archive ({error})") from None
            with unpacked:
                yield unpacked  # type: ignore[misc]  # a reader in its own right, ``peek`` and all

    def _gone(self) -> InputError:
        return self.bad("is no longer in its archive, which has changed since it was listed; run this again")


def find(
    raw: Path, suffixes: tuple[str, ...], pattern: str, vd_list: str | None = None
) -> Iterator["RawFile | str | InputError"]:
    """Every file of a format under ``raw`` but ``vd_list``, in no order.

    Between them, as text, the names of files passed over, and, as errors, archives and members that are
    bad before they are opened. Raises InputError where ``raw`` does not exist, or ``vd_list`` is not in it.
    """
    for found in _find(raw, suffixes, pattern, vd_list):
        name = found.name if isinstance(found, RawFile) else str(found)
        # Python keeps bytes that are no UTF-8 as such
        plain = name.encode("utf-8", "backslashreplace").decode()
        if plain == name:
            yield found
        elif isinstance(found, RawFile):
            yield InputError(f"'{plain}': its name is not UTF-8; rename it")
        else:
            yield type(found)(plain)


def _find(
    raw: Path, suffixes: tuple[str, ...], pattern: str, vd_list: str | None
) -> Iterator["RawFile | str | InputError"]:
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
        if _is_tar(path) or path.suffix.lower() == ".zip":
            yield from _members(path, name, suffixes, pattern)
        elif path == raw or _wanted(name, suffixes, pattern):
            state = path.stat()
            if stat.S_ISREG(state.st_mode):
                yield RawFile(path, None, name, state.st_size, _stamp(state))
        else:
            yield name


def _stamp(state: os.stat_result) -> str:
    """Not the time of the content alone, which `cp -p` and `rsync` set back: the time of the last change of anything.

    Nobody can set that; a file that was copied anew, as by `dvc checkout`, is parsed again though it is the same.
    """
    return f"{state.st_mtime_ns}:{state.st_ctime_ns}:{state.st_ino}"


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


class _Member(NamedTuple):
    name: str
    size: int
    packed: int  # bytes in the archive
    stamp: str
    plain: bool  # a file, not a link or a device


def _members(
    path: Path, name: str, suffixes: tuple[str, ...], pattern: str
) -> Iterator["RawFile | str | InputError"]:
    try:
        members = _in_tar(path, name) if _is_tar(path) else _in_zip(path, name)
    except InputError as error:
        yield error
        return
    seen: set[str] = set()
    for member in members:
        label = f"{name}/{member.name}"
        if member.name.startswith(("/", "\\")) or ".." in PurePosixPath(member.name).parts:
            yield InputError(f"'{label}': this member points outside its archive; do not unpack it")
        elif any(part.startswith(".") or part == MACOS for part in PurePosixPath(member.name).parts):
            continue  # as loose ones are
        elif member.name in seen:
            yield InputError(f"'{label}': the archive holds this name twice")
        elif not _wanted(member.name, suffixes, pattern):
            yield label
        elif not member.plain:
            yield InputError(f"'{label}': this member is a link or a device, not a file")
        elif member.size > max(ALWAYS, EXPANSION * member.packed):
            yield InputError(
                f"'{label}': {member.packed} bytes expand to {member.size}, as in a decompression bomb"
            )
        else:
            seen.add(member.name)
            yield RawFile(path, member.name, label, member.size, member.stamp)


def _in_zip(path: Path, name: str) -> list[_Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"'{name}': is a truncated or damaged zip archive ({error})") from None
    return [_Member(m.filename, m.file_size, m.compress_size, f"{m.CRC:08x}", True) for m in members]


@functools.lru_cache(maxsize=2)
def _zip(path: Path, mtime_ns: int, size: int, process: int) -> zipfile.ZipFile:
    """The archive as it is now, opened once per process: forked ones would share its position in the file."""
    return zipfile.ZipFile(path)


def _is_tar(path: Path) -> bool:
    return path.name.lower().endswith((".tar", ".tar.gz", ".tgz"))


def _in_tar(path: Path, name: str) -> list[_Member]:
    state = path.stat()
    file = RawFile(path, None, name, state.st_size, _stamp(state))
    return [
        _Member(m.name, m.size, m.size, f"{file.stamp}:{m.offset_data}", m.isfile() and not m.issparse())
        for m in _expanded(file)[1]
        if not m.isdir()
    ]


def _expanded(file: RawFile) -> tuple[bytes, list[tarfile.TarInfo]]:
    """A tar archive as a whole: unlike a zip, it can be read only from its start on."""
    data = file.read()
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            members, end = archive.getmembers(), archive.offset
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise file.bad(f"is a truncated or damaged tar archive ({error})") from None
    if data[end : end + tarfile.BLOCKSIZE] != bytes(tarfile.BLOCKSIZE):  # tarfile itself does not mind
        raise file.bad("is a truncated or damaged tar archive (its end is not marked)")
    return data, members


@functools.lru_cache(maxsize=1)
def _tar(path: Path, mtime_ns: int, size: int) -> tuple[bytes, dict[str, tarfile.TarInfo]]:
    """The archive as it is now, and its members."""
    data, members = _expanded(RawFile(path, None, path.name, size, ""))
    return data, {m.name: m for m in members}


class _Bounded(io.RawIOBase):
    """A stream that refuses to give more than its file may hold, and knows the last byte that it gave."""

    def __init__(self, stream: io.BufferedIOBase, file: RawFile):
        self._stream, self._file, self._given = stream, file, 0
        self.last = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._stream.read(len(buffer))
        self._given += len(data)
        if self._given > self._file.limit:
            raise self._file.bomb(self._file.limit)
        buffer[: len(data)] = data
        self.last = data[-1:] or self.last
        return len(data)
