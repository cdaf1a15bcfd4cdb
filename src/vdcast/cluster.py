"""A Ray cluster: to be one of its drivers, and how much of it is free for us."""

import contextlib
import logging
import socket
from collections.abc import Iterator
from typing import Any

from vdcast.errors import InputError, first_line


@contextlib.contextmanager
def connected(address: str, cpus: int, gpus: int, runtime: dict[str, Any] | None = None) -> Iterator[int]:
    """Be a driver of the cluster at ``address``: how many tasks of so many ``cpus`` and ``gpus`` its nodes hold at once.

    ``runtime`` is Ray's runtime environment of tasks and actors. Raises InputError where Ray is not installed, the cluster does not answer, or no node holds one.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--ray needs the package ray; pip install 'vdcast[ray]'") from None
    try:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        if port.isdecimal():  # where nobody listens Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(address=address, runtime_env=runtime, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"no Ray cluster answers at '{address}' ({first_line(error)})") from None
    try:
        held = sum(room(node["Resources"], cpus, gpus) for node in ray.nodes() if node["Alive"])
        if not held:
            raise InputError(f"no node of the Ray cluster at '{address}' has {cpus} CPUs and {gpus} GPUs")
        yield held
    finally:
        ray.shutdown()


def room(node: dict[str, float], cpus: int, gpus: int) -> int:
    """How many tasks of so many ``cpus`` and ``gpus`` a node of these resources holds at once."""
    needed = {"CPU": cpus, "GPU": gpus}
    return min(int(node.get(kind, 0) // each) for kind, each in needed.items() if each)
