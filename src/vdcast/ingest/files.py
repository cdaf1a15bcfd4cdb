"""Raw files: found in a folder, a zip or a tar archive, opened, and bounded.

Nothing is ever extracted to disk: a member of an archive is read in memory, under a limit on how far it
may expand. Whatever a file turns out to be, opening it raises InputError or gives its bytes. Only regular
files are opened: a pipe would wait for ever, and a device has no end.
"""

import contextlib
import fnmatch
import functools
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, NamedTuple

from vdcast.errors import InputError
from vdcast.escape import terminal

MIB = 1 << 20
GZIP = b"\x1f\x8b"
EXPANSION = 200  # traffic snapshots compress 10 to 80 times, bombs a thousand times
ALWAYS = 64 * MIB  # small files may expand to this, whatever the ratio
MACOS = "__MACOSX"  # the folder in a zip in which macOS keeps what its Finder knows of each file
IN_MEMORY = 512 * MIB  # what a format that reads a file as a whole takes at most
INSIDE = "\0"  # between the name of an archive inside an archive and that of its member: no name holds it
TARS, ZIPS = (".tar", ".tar.gz", ".tgz"), (".zip",)
OTHER_ARCHIVES = (
    ".7z",
    ".rar",
    ".tar.bz2",
    ".tbz2",
    ".tar.xz",
    ".txz",
    ".tar.zst",
    ".bz2",
    ".xz",
    ".zst",
    ".z",
)
# what the library says of an archive that is not what it says that it is
BAD_ZIP = (
    zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OverflowError, EOFError, struct.error, zlib.error,
    lzma.LZMAError,
)  # fmt: skip
BAD_TAR = (tarfile.TarError, ValueError, OverflowError, EOFError, RecursionError)


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """A file, or a member of an archive; ``stamp`` changes when its content does.

    ``member`` of an archive inside an archive is the names of both, with ``INSIDE`` between them.
    """

    path: Path
    name: str
    size: int
    member: str | None = None
    stamp: str = ""

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
        return InputError(f"'{terminal(self.name)}': {what[:300]}{'...' if len(what) > 300 else ''}")

    def read(self) -> bytes:
        """The whole content, decompressed; for files of at most ``IN_MEMORY`` bytes."""
        room = min(self.limit, IN_MEMORY)
        if self.size > room:
            raise self._too_large()
        try:
            with self._stored() as stored:
                data = stored.read(room + 1)  # it may have grown since it was listed
            if len(data) > room:
                raise self._too_large()
            if data[:2] == GZIP:
                data = self._gunzip(data, room)
        except (EOFError, zlib.error) as error:
            raise self.bad(f"is a truncated or damaged gzip file ({error})") from None
        if not data.strip():
            raise self.bad("is empty")
        return data

    def _gunzip(self, data: bytes, room: int) -> bytes:
        """All members of a gzip file at once, which ``gzip`` would take in small steps.

        A member is given what follows it in pieces that grow, as zlib copies what it does not use.
        """
        parts, left, at, packed = [], room, 0, memoryview(data)
        while at < len(data):
            member, piece = zlib.decompressobj(wbits=31), 1 << 10
            while at < len(data) and not member.eof:
                parts.append(member.decompress(packed[at : at + piece], left + 1))
                left -= len(parts[-1])
                if left < 0:
                    raise self._too_large() if room == IN_MEMORY < self.limit else self.bomb(room)
                at = min(at + piece, len(data)) - len(member.unused_data)
                piece *= 2
            if not member.eof:
                raise EOFError("it ends before its end is marked")
            while data[at : at + 1] == b"\0":  # padding
                at += 1
        return b"".join(parts)

    def _too_large(self) -> InputError:
        what = (
            "split it, or pack a zip, whose files are read one by one" if _is_tar(self.name) else "split it"
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

    @contextlib.contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """The content as a stream to jump about in, for formats that keep an index."""
        with self._stored() as stored:
            plain = self.member is None and stored.peek(2)[:2] != GZIP
            yield stored if plain else io.BytesIO(self.read())

    @contextlib.contextmanager
    def _stored(self) -> Iterator[io.BufferedReader]:
        """The bytes as they are kept: gzipped, where they are."""
        if self.member is None:
            with open(self.path, "rb") as stream:
                yield stream
            return
        outer, _, inner = self.member.partition(INSIDE)
        state = self.path.stat()
        version = self.path, state.st_mtime_ns, state.st_size, os.getpid()
        try:
            with _within(*version, outer).open(inner) if inner else _archive(*version).open(outer) as stream:
                yield stream
        except KeyError:
            raise self._gone() from None
        except zipfile.BadZipFile as error:
            raise self.bad(f"is a damaged member of its zip archive ({error})") from None

    def _gone(self) -> InputError:
        return self.bad("is no longer in its archive, which has changed since it was listed; run this again")


def place(raw: str) -> Path:
    """Where ``data.raw`` is. Raises InputError where it says nothing, which would be the working directory."""
    if not raw.strip():
        raise InputError("data.raw is empty; set it to a file or a folder of raw files")
    return Path(raw)


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
        if isinstance(found, RawFile):
            yield (
                found
                if plain == name
                else InputError(f"'{terminal(plain)}': its name is not UTF-8; rename it")
            )
        else:
            yield InputError(terminal(plain)) if isinstance(found, InputError) else plain


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
    for path, problem in _walk(raw):
        if vd_list and path == raw / vd_list:
            continue
        name = path.relative_to(raw if raw.is_dir() else raw.parent).as_posix()
        wanted = path == raw or _wanted(name, suffixes, pattern)
        if problem and (wanted or _is_archive(name) or path.is_dir()):
            yield InputError(f"'{name}': {problem}")
        elif _is_archive(name):
            yield from _members(path, name, suffixes, pattern)
        elif wanted:
            state = path.stat()
            yield RawFile(path=path, name=name, size=state.st_size, stamp=_stamp(state))
        elif problem := _other_archive(name, pattern):
            yield InputError(f"'{name}': {problem}")
        else:
            yield name


def _stamp(state: os.stat_result) -> str:
    """Not the time of the content alone, which `cp -p` and `rsync` set back: the time of the last change of anything.

    Nobody can set that; a file that was copied anew, as by `dvc checkout`, is parsed again though it is the same.
    """
    return f"{state.st_mtime_ns}:{state.st_ctime_ns}:{state.st_ino}"


def _walk(raw: Path) -> Iterator[tuple[Path, str]]:
    """Every file in ``raw``, or itself, and what is wrong with it, if it cannot be opened."""
    if not raw.is_dir():
        yield raw, _unopenable(raw)
        return
    folders = [raw]  # not by recursion: nobody counts how deep they lie
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                else:
                    yield Path(entry.path), _unopenable(Path(entry.path))


def _unopenable(path: Path) -> str:
    """Why a file is not to be opened; empty where it may be."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if stat.S_ISDIR(mode):
        return "is a link to a folder, in which DVC would notice no change; move the folder here, or set data.raw to it"
    return "" if stat.S_ISREG(mode) else "is a pipe, a socket or a device, not a file"


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
    path: Path, name: str, suffixes: tuple[str, ...], pattern: str, outer: _Member | None = None
) -> Iterator["RawFile | str | InputError"]:
    """What an archive holds, or the archive that is the member ``outer`` of the one at ``path``."""
    try:
        members = _listed(path, name, outer)
    except InputError as error:
        yield error
        return
    seen: set[str] = set()
    for member in members:
        label = f"{name}/{member.name}"
        archive = _is_archive(member.name)
        if member.name.startswith(("/", "\\")) or ".." in PurePosixPath(member.name).parts:
            yield InputError(f"'{label}': this member points outside its archive; do not unpack it")
        elif any(part.startswith(".") or part == MACOS for part in PurePosixPath(member.name).parts):
            continue  # as loose ones are
        elif member.name in seen:
            yield InputError(f"'{label}': the archive holds this name twice")
        elif not (archive or _wanted(member.name, suffixes, pattern)):
            problem = _other_archive(member.name, pattern)
            yield InputError(f"'{label}': {problem}") if problem else label
        elif not member.plain:
            yield InputError(f"'{label}': this member is a link or a device, not a file")
        elif member.size > max(ALWAYS, EXPANSION * member.packed):
            yield InputError(
                f"'{label}': {member.packed} bytes expand to {member.size}, as in a decompression bomb"
            )
        elif archive and outer:
            yield InputError(f"'{label}': an archive in an archive in an archive is not read; unpack it")
        elif archive:
            seen.add(member.name)
            yield from _members(path, label, suffixes, pattern, member)
        else:
            seen.add(member.name)
            at = f"{outer.name}{INSIDE}{member.name}" if outer else member.name
            yield RawFile(path=path, member=at, name=label, size=member.size, stamp=member.stamp)


def _listed(path: Path, name: str, outer: _Member | None) -> list[_Member]:
    state = path.stat()
    stamp = outer.stamp if outer else _stamp(state)
    file = RawFile(
        path=path,
        member=outer and outer.name,
        name=name,
        size=outer.size if outer else state.st_size,
        stamp=stamp,
    )
    if _is_tar(name):
        return _Tar(file).members
    if outer:
        return _Zip(file, io.BytesIO(file.read())).members
    with open(path, "rb") as stream:
        return _Zip(file, stream).members


def _is_tar(name: str) -> bool:
    return name.lower().endswith(TARS)


def _is_archive(name: str) -> bool:
    return name.lower().endswith((*TARS, *ZIPS))


def _other_archive(name: str, pattern: str) -> str:
    """What to say of an archive that cannot be opened: what it holds would be lost without a word."""
    if name.lower().endswith(OTHER_ARCHIVES) and fnmatch.fnmatch(PurePosixPath(name).name, pattern):
        return "is packed in a way that is not read; pack it as .zip, .tar.gz or .gz, or unpack it"
    return ""


class _Zip:
    """A zip archive, whose directory is as whole as the archive itself."""

    def __init__(self, file: RawFile, stream: BinaryIO):
        self.file = file
        try:
            self.archive = zipfile.ZipFile(stream)
            _check_directory(self.archive, stream)
        except BAD_ZIP as error:
            raise file.bad(f"is a truncated or damaged zip archive ({error})") from None

    @property
    def members(self) -> list[_Member]:
        return [
            _Member(
                name=m.filename, size=m.file_size, packed=m.compress_size, stamp=f"{m.CRC:08x}", plain=True
            )
            for m in self.archive.infolist()
            if not m.is_dir()
        ]

    @contextlib.contextmanager
    def open(self, member: str) -> Iterator[io.BufferedReader]:
        try:
            stream = self.archive.open(self.archive.getinfo(member))
        except BAD_ZIP as error:
            raise zipfile.BadZipFile(error) from None
        with stream:
            yield io.BufferedReader(_Sound(stream))


def _check_directory(archive: zipfile.ZipFile, stream: BinaryIO) -> None:
    """Raises BadZipFile where the directory of a zip lacks members, or calls one other than it calls itself.

    A flipped bit there can swallow the entries that follow, or give a file a name that nobody asks for: ``zipfile``
    does not mind.
    """
    found, announced = archive.infolist(), _announced(stream)
    if len(found) != announced:
        raise zipfile.BadZipFile(f"its directory holds {len(found)} of {announced} members")
    for member in found:
        if member.header_offset < 0:
            raise zipfile.BadZipFile("its directory says that a member lies before its start")
        stream.seek(member.header_offset)
        head = stream.read(30)
        name = stream.read(int.from_bytes(head[26:28], "little"))
        encoding = "utf-8" if member.flag_bits & 0x800 else "cp437"
        if head[:4] != b"PK\3\4" or name != member.orig_filename.encode(encoding):
            raise zipfile.BadZipFile(f"its directory calls a member {member.filename!r} that is another")


def _announced(stream: BinaryIO) -> int:
    """How many members the end of a zip says that it has; in a large one that stands in a record before the last."""
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - (22 + 0xFFFF + 20 + 56)))
    tail = stream.read()
    at = tail.rfind(b"PK\5\6")
    if tail[at - 20 : at][:4] == b"PK\6\7" and tail[at - 76 : at][:4] == b"PK\6\6":
        return int.from_bytes(tail[at - 76 + 32 : at - 76 + 40], "little")
    return int.from_bytes(tail[at + 10 : at + 12], "little")


class _Tar:
    """A tar archive as a whole: unlike a zip, it can be read only from its start on."""

    def __init__(self, file: RawFile):
        self.file, self.data = file, file.read()
        try:
            with tarfile.open(fileobj=io.BytesIO(self.data), mode="r:") as archive:
                self.found, end = archive.getmembers(), archive.offset
        except BAD_TAR as error:
            raise file.bad(f"is a truncated or damaged tar archive ({error})") from None
        if self.data[end : end + tarfile.BLOCKSIZE] != bytes(
            tarfile.BLOCKSIZE
        ):  # tarfile itself does not mind
            raise file.bad("is a truncated or damaged tar archive (its end is not marked)")
        self.by_name = {m.name: m for m in self.found}

    @property
    def members(self) -> list[_Member]:
        return [
            _Member(
                name=m.name,
                size=m.size,
                packed=m.size,
                stamp=f"{self.file.stamp}:{m.offset_data}",
                plain=m.isfile() and not m.issparse(),
            )
            for m in self.found
            if not m.isdir()
        ]

    @contextlib.contextmanager
    def open(self, member: str) -> Iterator[io.BufferedReader]:
        at = self.by_name[member]
        yield io.BufferedReader(io.BytesIO(self.data[at.offset_data : at.offset_data + at.size]))


def _archive(path: Path, mtime_ns: int, size: int, process: int) -> "_Zip | _Tar":
    """The archive as it is now, opened once per process: forked ones would share its position in the file."""
    return _tar(path, mtime_ns, size) if _is_tar(path.name) else _zip(path, mtime_ns, size, process)


@functools.lru_cache(maxsize=2)
def _zip(path: Path, mtime_ns: int, size: int, process: int) -> _Zip:
    return _Zip(RawFile(path=path, name=path.name, size=size), open(path, "rb"))  # until it leaves the cache


@functools.lru_cache(maxsize=1)
def _tar(path: Path, mtime_ns: int, size: int) -> _Tar:
    return _Tar(RawFile(path=path, name=path.name, size=size))


@functools.lru_cache(maxsize=1)
def _within(path: Path, mtime_ns: int, size: int, process: int, member: str) -> "_Zip | _Tar":
    """The archive that is a member of an archive. Raises KeyError where there is none."""
    outer = _archive(path, mtime_ns, size, process)
    packed = {m.name: m.size for m in outer.members}[member]
    file = RawFile(path=path, member=member, name=f"{path.name}/{member}", size=packed)
    return _Tar(file) if _is_tar(member) else _Zip(file, io.BytesIO(file.read()))


class _Sound(io.RawIOBase):
    """A member of a zip, whose library has many words for damage, and here one."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (*BAD_ZIP, OSError) as error:
            if getattr(error, "errno", None):  # of the disk, and not of bz2
                raise
            raise zipfile.BadZipFile(error) from None
        buffer[: len(data)] = data
        return len(data)


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
