"""A disk that is really full: a tmpfs over a folder, seen by the commands that are run with a prefix alone."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MOUNT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && cat'


@dataclass(frozen=True)
class SmallDisk:
    """``on`` before a command makes it see the disk, from the folder that it is run in."""

    folder: Path
    holder: int  # the process that has the mount

    def on(self, cwd: Path) -> tuple[str, ...]:
        return ("nsenter", "-t", str(self.holder), "-U", "-m", "--preserve-credentials",
                "sh", "-c", 'cd "$0" && exec "$@"', str(cwd))  # fmt: skip

    def run(self, *command: str) -> str:
        done = subprocess.run([*self.on(self.folder), *command], capture_output=True, text=True, check=True)
        return done.stdout

    def resize(self, size: int) -> None:
        self.run("mount", "-o", f"remount,size={size}", str(self.folder))

    def free(self) -> int:
        """Bytes."""
        return int(self.run("df", "--output=avail", "-B1", ".").split()[-1])


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[SmallDisk]:
    """``size`` bytes over ``folder``. Skips the test where nobody may mount that."""
    if not sys.platform.startswith("linux"):
        pytest.skip("a disk of some kB is made with Linux's tmpfs")
    folder.mkdir(parents=True, exist_ok=True)
    holder = subprocess.Popen(
        ["unshare", "-rm", "sh", "-c", MOUNT, "sh", str(size), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        if holder.stdout.readline() != "mounted\n":
            pytest.skip(f"this machine lets nobody mount a tmpfs: {holder.communicate()[1].strip()}")
        yield SmallDisk(folder, holder.pid)
    finally:
        holder.communicate()
