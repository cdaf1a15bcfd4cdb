"""A file as an array that is read as it is used."""

import mmap
import os
from typing import cast

import numpy as np


class Mapped(np.memmap):
    """Part of a file as an array. Pickled, it is where it lies and not what it holds."""

    _mmap: mmap.mmap | None  # numpy's name for the map

    def __reduce__(self):
        if self._mmap is None:  # computed or gathered from a map: it lies in memory
            return self.view(np.ndarray).__reduce__()
        whole = np.frombuffer(self._mmap, np.uint8)  # begins at a multiple of the granularity
        begin = self.offset - self.offset % mmap.ALLOCATIONGRANULARITY
        start = begin + self.__array_interface__["data"][0] - whole.ctypes.data
        return mapped, (str(self.filename), self.dtype.str, start, self.shape, self.strides)


def mapped(path: str, dtype: str, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Mapped:
    """Writes to it stay in memory, as with what is read."""
    size = sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) // np.dtype(dtype).itemsize + 1
    flat = Mapped(path, dtype, "c", offset, size)
    view = np.lib.stride_tricks.as_strided(flat, shape, strides, subok=True)
    return cast(Mapped, view)


def memory_bytes() -> int:
    """Of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
