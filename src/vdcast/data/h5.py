"""h5 files of the pipeline: written whole or not at all, byte for byte the same, and checked as they are read."""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from vdcast.data.files import Damaged, Unsealed, check_seal, replacing, seal
from vdcast.errors import InputError

SCHEMA = 2
AGAIN = "delete it and run `dvc repro`, after `vdcast verify` if it comes back like that"


@contextlib.contextmanager
def writing(path: Path) -> Iterator[h5py.File]:
    """A new h5 file that takes the place of ``path`` only when whole."""
    with replacing(path) as partial:
        file = h5py.File(partial, "w")
        try:
            yield file
            file.flush()
        except BaseException as error:
            # What HDF5 still holds it writes as it closes; on a full disk it cannot, stays half open, and
            # crashes the process at its end. So that goes into memory.
            memory = os.memfd_create("h5") if hasattr(os, "memfd_create") else os.open(os.devnull, os.O_RDWR)
            os.dup2(memory, file.id.get_vfd_handle())
            os.close(memory)
            with contextlib.suppress(OSError, RuntimeError):
                file.close()
            number = re.search(r"errno = ([0-9]+)", str(error)) if isinstance(error, RuntimeError) else None
            if number:  # h5py raises an OSError of some calls' failures, and this of others'
                raise OSError(int(number[1]), os.strerror(int(number[1]))) from None
            raise
        file.close()
        seal(partial)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The h5 file at ``path``, to be read.

    Raises InputError where it is missing or is not what its checksum says, or, also from within the body, where it is of another schema.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError:
        raise InputError(f"h5 file '{path}' does not exist; run `dvc repro` to make it") from None
    except OSError as error:
        raise InputError(f"'{path}' is not a readable h5 file ({error}); {AGAIN}") from None
    with file:
        try:
            check_seal(Path(path))
            yield file
        except (KeyError, Unsealed) as error:
            raise InputError(
                f"h5 file '{path}' does not follow vdcast's schema {SCHEMA} ({error.args[0]}); "
                "delete it and run `dvc repro`, or set data.format to the format that it has"
            ) from None
        except Damaged as error:
            raise InputError(f"h5 file '{path}' is damaged ({error}); {AGAIN}") from None
        except InputError:
            raise
        except (ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
            raise InputError(
                f"h5 file '{path}' is not one of vdcast's ({error}); delete it and run `dvc repro`"
            ) from None
        except (OSError, RuntimeError, MemoryError) as error:  # h5py has one for each of its calls
            raise InputError(f"h5 file '{path}' is damaged ({error}); {AGAIN}") from None


def put(group: h5py.Group, name: str, data: np.ndarray, **options) -> None:
    """A dataset that is written when this returns: of an error as h5py lets go of it nobody would hear."""
    group.create_dataset(name, data=data, track_times=False, **options).flush()


def strings(column: np.ndarray | Sequence[str]) -> np.ndarray:
    """Text as fixed-length UTF-8, the form of h5 strings that is byte for byte reproducible."""
    encoded = np.char.encode(np.asarray(column, "U"), "utf-8")
    return encoded.astype(h5py.string_dtype("utf-8", max(1, encoded.dtype.itemsize)))
