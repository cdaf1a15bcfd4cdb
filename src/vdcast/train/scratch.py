"""What an unfinished training has reached, kept outside every DVC output and safe to delete.

A folder ``.scratch/train/<run>/<key>/`` per run and key; the key is a hash of all that the result depends
on (``train.key_of``), so what lies in it is worth going on from. In it, for each stack of copies,
``<stack>.state`` after every epoch and ``<stack>.fitted`` once trained. A file trained elsewhere under the
same key can be copied in: it counts as if it had been trained here.

A file appears whole or not at all, carries its checksum, and holds plain tensors and numbers: loading it
runs no code.
"""

import contextlib
import fcntl
import io
import multiprocessing.reduction
import os
import shutil
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch

from vdcast.data.files import replacing

CHECKSUM = 4  # bytes of CRC-32 before torch's own


class Lock:
    """An exclusive hold on a folder, which ends when the last process that has it is dead.

    It can be given to a worker process as it starts: should the parent be killed, the folder stays held
    until its workers are gone too.
    """

    def __init__(self, descriptor: int):
        self.descriptor = descriptor

    def __reduce__(self):
        return _inherited, (multiprocessing.reduction.DupFd(self.descriptor),)


def _inherited(duplicate) -> Lock:
    return Lock(duplicate.detach())


@dataclass(frozen=True)
class Scratch:
    """The folder of one key, held by this process and its workers."""

    folder: Path
    lock: Lock

    def state(self, stack: int) -> dict | None:
        """What ``keep_state`` wrote last; None without it, or if it is damaged, which is said."""
        return _load(self.folder / f"{stack}.state")

    def keep_state(self, stack: int, state: dict) -> None:
        _save(self.folder / f"{stack}.state", state)

    def fitted(self, stack: int) -> dict | None:
        """What ``keep_fitted`` wrote, here or elsewhere; None without it, or if it is damaged."""
        return _load(self.folder / f"{stack}.fitted")

    def keep_fitted(self, stack: int, fitted: dict) -> None:
        """The end of a stack's training; its state has served."""
        _save(self.folder / f"{stack}.fitted", fitted)
        (self.folder / f"{stack}.state").unlink(missing_ok=True)

    def found(self) -> str:
        """What there is, in words; empty where nothing is."""
        fitted, begun = (len(list(self.folder.glob(f"*.{kind}"))) for kind in ("fitted", "state"))
        return f"stacks: {fitted} trained, {begun} begun" if fitted + begun else ""

    def remove_others(self) -> None:
        """Remove what other settings, data or code of this run have left, unless somebody trains there."""
        for other in self.folder.parent.iterdir():
            if other != self.folder and (descriptor := _locked(other, wait=False)) is not None:
                shutil.rmtree(other)
                os.close(descriptor)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[Scratch]:
    """``folder``, made if need be, for this process alone; waits while another one has it, and says so."""
    descriptor = _locked(folder, wait=False)
    if descriptor is None:
        print(
            f"vdcast: '{folder}' is in use, the same training is under way in another process; "
            "waiting for it to end",
            file=sys.stderr,
            flush=True,
        )
        descriptor = _locked(folder, wait=True)
    assert descriptor is not None  # it waited for it
    try:
        yield Scratch(folder, Lock(descriptor))
    finally:
        os.close(descriptor)


def _locked(folder: Path, *, wait: bool) -> int | None:
    """An open file that locks ``folder``; None if another process has it and ``wait`` is false."""
    path = folder / "lock"
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # while we waited, the folder may have been removed and made again
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _save(path: Path, content: dict) -> None:
    """Write ``path`` in one step that a crash of the machine does not tear apart."""
    buffer = io.BytesIO(bytes(CHECKSUM))
    buffer.seek(CHECKSUM)
    torch.save(content, buffer)
    data = buffer.getbuffer()
    data[:CHECKSUM] = zlib.crc32(data[CHECKSUM:]).to_bytes(CHECKSUM)
    with replacing(path) as partial:
        partial.write_bytes(data)


def _load(path: Path) -> dict | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    with contextlib.suppress(UnpicklingError, RuntimeError, EOFError):
        if zlib.crc32(data[CHECKSUM:]).to_bytes(CHECKSUM) == data[:CHECKSUM]:
            return torch.load(io.BytesIO(data[CHECKSUM:]), weights_only=True)
    print(f"vdcast: '{path}' is damaged; what it held is trained again", file=sys.stderr, flush=True)
    return None
