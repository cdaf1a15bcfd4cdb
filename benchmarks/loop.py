"""What the training loop adds to a bare PyTorch step, and what the data path costs.

The bare step has its batch at hand and does forward, masked loss, backward, torch's clipping and the fused AdamW; ours
also assembles the batch, does all of it per copy and quantile, schedules and keeps score.
"""

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import torch

from measure import medians, table
from sample import budget, prepared, settings, task_of
from vdcast.data import store
from vdcast.data.detectors import Detectors
from vdcast.models.shared.dropout import seed_dropout
from vdcast.models.shared.forecaster import build_seeded
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import Windows
from vdcast.params.modes import Sharing
from vdcast.train.copies import Copies
from vdcast.train.data import TrainingData
from vdcast.train.loop import run_epoch, train_epoch
from vdcast.train.stack import Stack


def loop_table(seconds: float) -> list[str]:
    rows = []
    for name in ("lstm-single_vd", "xlstm-single_vd", "lstm-multi_vd", "xlstm-multi_vd"):
        run = budget(name, network={"batch_size": 32})
        data = TrainingData.of(Task.of(prepared(), settings(), run.mode), prepared(), "cpu")
        windows = data.train
        samples = torch.randperm(len(windows))[None, : 8 * 32]
        ready = [windows.batch(sample) for sample in samples.split(32, dim=1)]

        stack = Stack.build(run, data, Copies(seeds=[0], groups=[[0]]))
        other = build_seeded(run.network, windows.sizes, seeds=[0])
        seed_dropout(other, [0])
        other_optimiser = torch.optim.AdamW(other.parameters(), fused=True)

        def bare(ready=ready, other=other, optimiser=other_optimiser):
            other.train()
            for batch in ready:
                error = (other(batch)[..., 0] - batch.y).abs() * batch.valid
                optimiser.zero_grad(set_to_none=True)
                (error.sum() / batch.valid.sum()).backward()
                torch.nn.utils.clip_grad_norm_(other.parameters(), 1.0)
                optimiser.step()

        ms = medians(
            seconds,
            bare=bare,
            ours=lambda stack=stack, samples=samples: run_epoch(stack, samples),
            assembly=lambda w=windows, s=samples: list(w.batches(s.split(32, dim=1))),
        )
        rows.append(
            {
                "run": name,
                "bare step, ms": f"{ms['bare'] / 8:.2f}",
                "step of the loop, ms": f"{ms['ours'] / 8:.2f}",
                "added": f"{ms['ours'] / ms['bare'] - 1:+.1%}",
                "batch assembly, ms": f"{ms['assembly'] / 8:.3f}",
                "of the step": f"{ms['assembly'] / ms['ours']:.1%}",
            }
        )
    return ["### The loop against a bare PyTorch step, batch 32, one copy", "", *table(rows), ""]


def synthetic(T: int, V: int, interval: int = 300) -> Detectors:
    return Detectors(
        values=np.random.default_rng(0).standard_normal((T, V, 1), dtype=np.float32),
        timestamps=np.arange(T, dtype=np.int64) * interval,
        vd_ids=tuple(map(str, range(V))),
        features=("volume",),
        units=("veh",),
        interval=interval,
        time_zone="UTC",
        source="synthetic",
    )


def kernels_table(seconds: float, runs: dict[str, int]) -> list[str]:
    """Epochs of ``runs``, each with so many copies, by the vanilla and the native kernel; validation, by the vanilla one, included."""
    rows = []
    for name, copies in runs.items():
        stacks = {}
        for kernel in ("vanilla", "native"):
            run = budget(name, network={"kernel": kernel})
            data = TrainingData.of(Task.of(prepared(), settings(), run.mode), prepared(), "cpu")
            groups = data.copies[:copies]
            stacks[kernel] = Stack.build(run, data, Copies(seeds=[0] * len(groups), groups=groups))
        steps = {kernel: partial(train_epoch, stack) for kernel, stack in stacks.items()}
        ms = medians(seconds, **steps)
        rows.append(
            {
                "run": name,
                "copies": str(copies),
                "epoch, vanilla, s": f"{ms['vanilla'] / 1e3:.2f}",
                "epoch, native, s": f"{ms['native'] / 1e3:.2f}",
                "ratio": f"{ms['vanilla'] / ms['native']:.2f}",
            }
        )
    return ["### An epoch of a run, with its validation", "", *table(rows), ""]


def detectors_table(seconds: float, counts: tuple[int, ...]) -> list[str]:
    """Batches of 32 windows of one detector each, from tensors that hold V of them."""
    rows = []
    for V in counts:
        gc.collect()
        part = synthetic(2000, V)
        windows = Windows(task_of(part, Sharing.APART), part)
        sample = torch.randint(V * len(windows), (32, 1))
        ms = medians(seconds, batch=lambda w=windows, s=sample: w.batch(s))["batch"]
        held = sum(v.nbytes for v in vars(windows).values() if isinstance(v, torch.Tensor))
        rows.append(
            {
                "detectors": f"{V:,}",
                "windows/s": f"{32e3 / ms:,.0f}",
                "tensors held, MB": f"{held / 1e6:.0f}",
                "bytes per observation": f"{held / (2000 * V):.0f}",
            }
        )
    return ["### Batch assembly over the number of detectors, 2,000 steps each", "", *table(rows), ""]


def h5_table(gigabytes: float, folder: str | None = None) -> list[str]:
    """32 random windows from a file that memory need not hold: one piece, mapped, as ``store`` has it, against h5py's
    reading from chunks of 1 MB, all detectors or 32 of them to a chunk. Beside ours what a whole batch takes, scaled and
    masked. Each file is written under the folder for temporary files, dropped from the page cache, and deleted.
    """
    V, F, L = 8600, 1, 24
    T = int(gigabytes * 1e9 / (4 * V * F))
    free = shutil.disk_usage(folder or tempfile.gettempdir()).free
    if free < 1.2e9 * gigabytes:
        return [f"### Reading windows from an h5 file: skipped, {free / 1e9:.0f} GB free", ""]
    rng, rows = np.random.default_rng(0), []
    starts = [rng.integers(T - L, size=32) for _ in range(5)]

    def row(
        path: Path, layout: str, what: str, read: Callable[[np.ndarray], object], batch: str = ""
    ) -> dict:
        before = _own_memory()
        cold, warm = ([_ms(lambda s=start: read(s)) for start in starts] for _ in range(2))
        return {
            "file": f"{path.stat().st_size / 1e9:.1f} GB, {layout}",
            "windows": what,
            "from disk, ms": f"{np.median(cold):.1f}",
            "again, ms": f"{np.median(warm):.2f}",
            "memory of the process's own, MB": f"{max(0.0, _own_memory() - before):.0f}",
            "again, scaled and masked, ms": batch,
        }

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        path = Path(scratch) / "large.h5"
        block = rng.standard_normal((1000, V, F), dtype=np.float32)
        blocks = (block[: T - start] for start in range(0, T, len(block)))
        store.write_blocks(path, synthetic(0, V), 300 * np.arange(T), blocks)
        store.MAPPED_FROM = 0
        for sharing, what in ((Sharing.JOINT, "32 x 8,600 detectors"), (Sharing.APART, "32 x 1 detector")):
            _forget(path)
            table_of = store.read(path)
            few = replace(table_of, values=block[:100], timestamps=table_of.timestamps[:100])
            windows = Windows(task_of(few, sharing, length=20, horizon=L - 20), table_of)
            joint, one = sharing is Sharing.JOINT, rng.integers(V, size=32)

            def read(start, values=table_of.values, joint=joint, one=one):
                steps = start[:, None] + np.arange(L)
                return values[steps] if joint else values[steps, one[:, None]]

            def batch(start, windows=windows, joint=joint, one=one):
                return windows.batch(torch.from_numpy(start[None] if joint else (start * V + one)[:, None]))

            found = row(path, "in one piece, mapped", what, read)
            whole = np.median([_ms(lambda s=start: batch(s)) for start in starts])
            rows.append(found | {"again, scaled and masked, ms": f"{whole:.2f}"})
        del windows, table_of
    layouts = {"all detectors": (max(1, (1 << 20) // (4 * V)), V, F), "32 detectors": (min(T, 8192), 32, F)}
    for name, chunks in layouts.items():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            path = Path(scratch) / "chunks.h5"
            with h5py.File(path, "w") as file:
                values = file.create_dataset("values", (T, V, F), "f4", chunks=chunks)
                block = rng.standard_normal((chunks[0], V, F), dtype=np.float32)
                for start in range(0, T, chunks[0]):
                    values[start : start + chunks[0]] = block[: T - start]
            _forget(path)
            with h5py.File(path, "r") as file:
                data = file["values"]
                rows.append(
                    row(
                        path,
                        f"1 MB chunks of {name}, h5py",
                        "32 x 8,600 detectors",
                        lambda start, data=data: np.stack([data[s : s + L] for s in start]),
                    )
                )
    return ["### 32 random windows of 24 steps from an h5 file", "", *table(rows), ""]


def _ms(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - began)


def _forget(path: Path) -> None:
    """Drop the file's pages from the cache; those that a process has mapped and read stay."""
    with open(path, "rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _own_memory() -> float:
    """MB of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3
