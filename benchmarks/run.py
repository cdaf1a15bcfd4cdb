"""Everything that is claimed about speed: ``python benchmarks/run.py [PART ...] [--quick] [--threads 2]``.

Writes benchmarks/RESULTS.md and the figures beside it, part by part; a part that is not run keeps what it said.
About 20 minutes on two quiet cores. Parts: networks, native, compile, many, loop, data, social, start, curves, frameworks, gpu;
frameworks installs neuralforecast into an environment of its own on first use (some GB, minutes more, network).
"""

import argparse
import datetime
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
HEAD = """# What the claims about speed rest on

Made by `python benchmarks/run.py`. Every ratio is of one run, in which what is compared took turns or ran one after
the other on the same data, sizes, batch and threads. Each part names its machine, versions, date and commit.
What no part names a GPU for was measured on a CPU.
"""


def networks(quick: bool) -> list[str]:
    """The floor is what the measured matmul rate and memory bandwidth allow for the operations and bytes of a step.

    What is above it: element-wise kernels of the gates and their gradients, which neither count, the steps of the
    recurrence, whose matrices are too small for that rate, and the starts of kernels, a few microseconds each.
    """
    from encoders import DEFAULTS, SMALL, many_table, one_table, where_table
    from measure import machine

    rates = machine()
    seconds, sizes = (0.1, SMALL) if quick else (8, DEFAULTS + SMALL)
    measured = f"Measured: matmul {rates[0] / 1e9:.0f} GFLOP/s, memory {rates[1] / 1e9:.0f} GB/s."
    one = one_table(sizes, [32] if quick else [32, 512], seconds, rates)
    if (threads := torch.get_num_threads()) > 1:
        torch.set_num_threads(1)
        alone = machine()
        one += [
            f"And on one thread, as every stack of a run trains; measured: matmul {alone[0] / 1e9:.0f} GFLOP/s, memory "
            f"{alone[1] / 1e9:.0f} GB/s.",
            "",
            *one_table(sizes, [32], seconds, alone)[2:],
        ]
    where = where_table(sizes)  # on one thread as well
    torch.set_num_threads(threads)
    return [measured, "", *one, *where, *many_table([10] if quick else [10, 100], seconds)]


def compile(quick: bool) -> list[str]:
    """`xlstm.compile` is off by default: a run of the sample ends before it pays. The cost is that of the first step,
    forward and backward; a stack pays it once, and all steps of another shape run without."""
    from encoders import XLSTMSize, compiled_table

    small, large = XLSTMSize(64, 2, (1,)), XLSTMSize(128, 6, (1, 3))
    if quick:
        return compiled_table([small], 0.5)
    lines = compiled_table([small, large], 8)
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)
        lines += [
            "On one thread, as every stack of a run trains:",
            "",
            *compiled_table([small, large], 8)[2:],
        ]
    return lines


def native(quick: bool) -> list[str]:
    """`xlstm.kernel: native` is off by default, as it needs a C++ compiler. One training step of batch 32, dropout 0.1, of the last
    step alone as a forecaster reads it, the package's of all steps as it has no other; on one thread, as every stack trains.
    """
    from encoders import XLSTMSize, native_table
    from loop import kernels_table

    torch.set_num_threads(1)
    small, large = XLSTMSize(64, 2, (1,)), XLSTMSize(128, 6, (1, 3))
    if quick:
        return [*native_table([(small, 1)], 0.5), *kernels_table(0.1, {"xlstm-single_vd": 1})]
    runs = {"xlstm-single_vd": 1, "xlstm-independent_multi_vd": 5, "xlstm-multi_vd": 1}
    return [*native_table([(small, 1), (large, 1), (small, 5)], 20), *kernels_table(10, runs)]


def many(quick: bool) -> list[str]:
    """The loop trains one model after the other, with one thread or with all, whichever is faster;
    of 100 models it is timed on five. `fit` cannot but pay for its processes' start, some seconds."""
    from many import many_table

    if quick:
        return many_table({"lstm": {5: 1}, "xlstm": {5: 1}})
    return many_table({"lstm": {10: 60, 100: 20}, "xlstm": {10: 20, 100: 4}})


def loop(quick: bool) -> list[str]:
    """On one thread, as every stack trains. The bare step has its batch at hand: forward, masked loss, backward,
    torch's clip_grad_norm_, fused AdamW."""
    from loop import loop_table

    torch.set_num_threads(1)
    return loop_table(1 if quick else 10)


def data(quick: bool) -> list[str]:
    """Windows are indices into tensors; nothing is done per sample, or per detector."""
    from loop import detectors_table, h5_table

    counts = (10, 1000) if quick else (10, 100, 1000, 8600)
    return [*detectors_table(0.3 if quick else 3, counts), *h5_table(0.2 if quick else 10)]


def social(quick: bool) -> list[str]:
    """On one thread, as every stack trains. Both nets forecast every detector of a window from the same weights; one hears of
    the eight nearest. What is held and computed grows with the number of detectors, never with its square: the largest
    tensor of a step, without neighbours, with Gaussian weights and with attention, has as many numbers a sample for any."""
    from social import social_table

    torch.set_num_threads(1)
    return social_table((10, 100) if quick else (10, 100, 1000, 8600), 0.3 if quick else 4)


def start(quick: bool) -> list[str]:
    """A `dvc repro` without a change starts no process of vdcast: its time is DVC's own."""
    from start import start_table

    return start_table(1 if quick else 7)


def curves(quick: bool) -> list[str]:
    """Ours solid, the alternative dashed."""
    import curves

    if quick:
        curves.LENGTHS, curves.BATCHES, curves.DETECTORS = (12, 20), (8, 32), (3, 10)
    folder = Path(tempfile.mkdtemp()) / "figures" if quick else HERE / "figures"
    return [*curves.curves(folder, 0.3 if quick else 4), *curves.trainings(folder)]


def frameworks(quick: bool) -> list[str]:
    """neuralforecast trains as it does out of the box: a Lightning Trainer, windows drawn at random."""
    from frameworks import frameworks_table

    return frameworks_table(torch.get_num_threads(), epochs=2 if quick else 100)


def gpu(quick: bool) -> list[str]:
    """Without a GPU there is nothing to measure; with --quick the same code runs on the CPU, to see that it does."""
    from gpu import gpu_tables

    if quick:
        return gpu_tables(0, "cpu", batches=(32,), counts=(3,), epochs=1)
    if not torch.cuda.is_available():
        return ["No GPU was at hand."]
    return [torch.cuda.get_device_name(), "", *gpu_tables(3, "cuda")]


PARTS = {
    part.__name__: part
    for part in (networks, native, compile, many, loop, data, social, start, curves, frameworks, gpu)
}


def sections(text: str) -> dict[str, str]:
    """What stands under each heading of second level."""
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1] for part in text.split("\n## ")[1:]}


def commit() -> str:
    """Of the code that is measured; marked where the tree holds more than it."""

    def git(*command: str) -> str:
        done = subprocess.run(["git", *command], cwd=HERE, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = " with changes" if git("status", "--porcelain", "--", "..", ":!RESULTS.md", ":!figures") else ""
    return f"{git('rev-parse', '--short', 'HEAD') or 'unknown'}{changed}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, printed and not written: does it run"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no part {sorted(unknown)[0]!r}; parts are {', '.join(PARTS)}")
    from measure import cpu_name

    for name in arguments.parts or PARTS:
        torch.manual_seed(0)
        torch.set_num_threads(arguments.threads)
        where = (
            f"{cpu_name()}, {arguments.threads} threads, Python {platform.python_version()}, torch "
            f"{torch.__version__}, {datetime.date.today()}, commit {commit()}"
        )
        note = " ".join((PARTS[name].__doc__ or "").split())
        began = time.perf_counter()
        text = "\n".join(["", f"{where}. {note}", "", *PARTS[name](arguments.quick)])
        print(f"{name} took {time.perf_counter() - began:.0f} s", file=sys.stderr)
        print(f"## {name}\n{text}", flush=True)
        if not arguments.quick:
            kept = sections(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
            kept[name] = text
            body = [f"\n## {part}\n{kept[part]}" for part in PARTS if part in kept]
            RESULTS.write_text(HEAD + "".join(body).rstrip("\n") + "\n", "utf-8")


if __name__ == "__main__":
    main()
