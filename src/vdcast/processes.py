"""Child processes that end with their parent, interrupts that wait, and which cores and GPUs are ours."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import psutil

POLL = 0.05  # seconds between two looks at a child
PATIENCE = 20.0  # seconds for a child to end after an interrupt, before it is killed
INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def none_left(children: list[subprocess.Popen]) -> Iterator[None]:
    """However the body is interrupted, nothing of ``children``, each in a session of its own, outlives it.

    They are interrupted, and killed if they take longer than ``PATIENCE``, or at a second interrupt.
    """
    try:
        yield
    except BaseException:
        left = [each for each in children if each.returncode is None]
        try:
            for each in left:
                to_session(each, signal.SIGINT)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline and not all(map(has_ended, left)):
                time.sleep(POLL)
        finally:
            for number in INTERRUPTS:
                signal.signal(number, signal.SIG_IGN)
            for each in left:
                to_session(each, signal.SIGKILL)
                each.wait()
        raise


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """An interrupt that comes within the body is raised at its end."""
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in INTERRUPTS}
    for number, handler in handlers.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def has_ended(leader: subprocess.Popen) -> bool:
    """Unlike `poll`, this leaves a dead one its process id, so that its session can still be named."""
    return leader.returncode is not None or psutil.Process(leader.pid).status() == psutil.STATUS_ZOMBIE


def reap(leader: subprocess.Popen) -> int:
    """Its exit status, once it has ended. Nothing of its session outlives it: not the training of a killed dvc."""
    while not has_ended(leader):
        time.sleep(POLL)
    if leader.returncode is None:
        to_session(leader, signal.SIGKILL)
    return leader.wait()


def to_session(leader: subprocess.Popen, number: int) -> None:
    """Only before ``leader`` is reaped: from then on another process may have its id."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader.pid, number)


# a command, and beside it one that waits for our end of a pipe to close and then kills both
WITH_US = 'exec 3<&0 </dev/null; { cat <&3 >/dev/null; kill -9 0; } & exec 3<&-; exec "$@"'


def status_of(command: list[str], environment: dict[str, str]) -> int:
    """Exit status of ``command``; it and what it started are gone when this returns, or is killed."""
    child = subprocess.Popen(
        ["sh", "-c", WITH_US, "sh", *command],
        env=environment, stdin=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        return reap(child)
    finally:
        if child.returncode is None:
            to_session(child, signal.SIGKILL)
            child.wait()


def end_at_eof() -> None:
    """From now on: SIGTERM to this process when standard input closes, as it does when a parent is killed."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def end_with_parent() -> None:
    """For a process of ``multiprocessing`` as it begins: when its parent is killed, it ends too.

    It would wait for work for ever.
    """

    parent = multiprocessing.parent_process()
    assert parent is not None  # as in the main process alone

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def cpus() -> int:
    """CPUs that we may use: OMP_NUM_THREADS if it is set, else those that this process may run on."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """Names of the GPUs, as CUDA_VISIBLE_DEVICES takes them."""
    if (chosen := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name for name in chosen.split(",") if name.strip() and name.strip() != "-1"]
    if not shutil.which("nvidia-smi"):
        return []
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []
