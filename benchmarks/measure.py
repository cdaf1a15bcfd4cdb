"""What the benchmarks share: medians of steps that take turns, what the machine can do, markdown tables."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from vdcast.models.shared.onednn import ONEDNN


def medians(seconds: float, **steps: Callable[[], None]) -> dict[str, float]:
    """Milliseconds: what is compared takes turns, at least five times each after two of warm-up."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    until = time.perf_counter() + seconds
    while min(map(len, times.values())) < 7 or time.perf_counter() < until:
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values[2:]) for name, values in times.items()}


def machine() -> tuple[float, float]:
    """Best of many: operations/s of a product of 1024 x 1024 matrices, bytes/s of z = x + y over 200 MB.

    The product by whichever of the two libraries that torch carries is faster here: MKL, or oneDNN.
    """

    def best(step: Callable[[], object]) -> float:
        times = []
        for _ in range(30):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        return min(times)

    a, b, c = torch.randn(3, 1024, 1024)
    x, y, z = torch.randn(3, 2**24)
    products = [lambda: torch.mm(a, b, out=c)]
    if ONEDNN:
        products.append(lambda: ONEDNN(a, b, None, "none", [], ""))
    flops = 2 * 1024**3 / min(map(best, products))
    return flops, 12 * len(x) / best(lambda: torch.add(x, y, out=z))


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown CPU"
    )


def table(rows: list[dict[str, str]]) -> list[str]:
    """Lines of a markdown table whose columns are the rows' keys."""
    lines = [f"| {' | '.join(rows[0])} |", f"|{'---|' * len(rows[0])}"]
    return lines + [f"| {' | '.join(row.values())} |" for row in rows]
