"""How fast the encoders are: ``python benchmarks/encoders.py [--threads 2] [--quick]``.

One training step (forward, and the gradient of every weight) of the encoders alone, on windows of 20
steps, on CPU, in float32: ours against the package's eager xLSTM and against nn.LSTM; then N models at
once, stacked, against a plain loop over N. What is compared takes turns, step by step, so that the noise
of the machine meets all of it; times are medians, and ratios are of medians of one run. The floor is
what the machine's measured matmul rate and memory bandwidth allow for the step's operations and bytes.
"""

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

# a compilation that an earlier run paid is no measurement
os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"
os.environ["TORCHINDUCTOR_CACHE_DIR"] = tempfile.mkdtemp()  # of compiled C++, which the switch above leaves

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from measure import cpu_name, machine, medians, table
from vdcast.models.lstm.encoder import LSTM
from vdcast.models.shared.dropout import seed_dropout
from vdcast.models.xlstm.encoder import KERNELS
from vdcast.models.xlstm.parts import Sizes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import xlstm as package

STEPS = 20  # window.lookback of params.yaml


@dataclass(frozen=True)
class LSTMSize:
    hidden_size: int
    num_layers: int
    input_size: int = 32

    def __str__(self) -> str:
        return f"LSTM {self.hidden_size}x{self.num_layers}"

    def ours(self, copies: int) -> nn.Module:
        return LSTM(
            copies, input_size=self.input_size, hidden_size=self.hidden_size, num_layers=self.num_layers
        )

    def other(self) -> nn.Module:
        return nn.LSTM(self.input_size, self.hidden_size, self.num_layers, batch_first=True)

    def matmul_flops(self, batch: int) -> float:
        """4H x (I + H) products a layer and step forward, and twice that backward."""
        inputs = [self.input_size] + [self.hidden_size] * (self.num_layers - 1)
        return sum(3 * 2 * 4 * self.hidden_size * (i + self.hidden_size) * batch * STEPS for i in inputs)

    def boundaries(self) -> tuple[int, int]:
        return self.num_layers, self.hidden_size


@dataclass(frozen=True)
class XLSTMSize:
    input_size: int  # width of the embedding
    num_blocks: int
    slstm_at: tuple[int, ...]
    num_heads: int = 4
    steps: int = STEPS

    def __str__(self) -> str:
        return f"xLSTM {self.input_size}x{self.num_blocks}, sLSTM {list(self.slstm_at)}"

    def ours(
        self, copies: int, slstm_backend: str = "vanilla", dropout: float = 0.0, kernel: str = "vanilla"
    ) -> nn.Module:
        model = KERNELS[kernel](
            copies,
            Sizes(self.input_size, self.num_heads, self.num_blocks),
            slstm_at=self.slstm_at,
            context_length=self.steps,
            slstm_backend=slstm_backend,
            dropout=dropout,
        )
        seed_dropout(model, range(copies))
        return model

    def other(self, slstm_backend: str = "vanilla", dropout: float = 0.0) -> nn.Module:
        slstm = package.sLSTMLayerConfig(backend=slstm_backend, num_heads=self.num_heads)
        config = package.xLSTMBlockStackConfig(
            mlstm_block=package.mLSTMBlockConfig(mlstm=package.mLSTMLayerConfig(num_heads=self.num_heads)),
            slstm_block=package.sLSTMBlockConfig(slstm=slstm),
            embedding_dim=self.input_size,
            num_blocks=self.num_blocks,
            slstm_at=list(self.slstm_at),
            context_length=self.steps,
            dropout=dropout,
        )
        return package.xLSTMBlockStack(config)

    def matmul_flops(self, batch: int) -> float:
        """Those that PyTorch counts in the package's step.

        Without convolutions, which it overcounts (as if all channels met) and which are below 1 %.
        """
        with FlopCounterMode(display=False) as counter:
            training_step(self.other(), torch.randn(batch, STEPS, self.input_size))()
        counts = counter.get_flop_counts()["Global"].items()
        return sum(flops for operation, flops in counts if "convolution" not in str(operation))

    def boundaries(self) -> tuple[int, int]:
        return self.num_blocks, self.input_size


DEFAULTS = [LSTMSize(256, 3), XLSTMSize(128, 6, (1, 3))]
SMALL = [LSTMSize(32, 1), XLSTMSize(32, 2, (1,))]


def training_step(model: nn.Module, x: Tensor, **options) -> Callable[[], None]:
    """Forward and backward of a loss on the last step, which is what a forecaster reads."""

    def step() -> None:
        model.zero_grad(set_to_none=True)
        y = model(x, **options)
        (y[0] if isinstance(y, tuple) else y)[..., -1, :].square().mean().backward()

    return step


def least_bytes(size: LSTMSize | XLSTMSize, batch: int) -> float:
    """What a step must move if all else stays in the cache.

    Weights are read forward and backward and their gradients written; what passes between layers or
    blocks is written once and read twice.
    """
    weights = sum(parameter.numel() for parameter in size.other().parameters())
    depth, width = size.boundaries()
    return 4 * 3 * (weights + (depth + 1) * batch * STEPS * width)


def one_model(size: LSTMSize | XLSTMSize, batch: int, seconds: float, rates: tuple[float, float]) -> dict:
    x = torch.randn(1, batch, STEPS, size.input_size)
    ours = size.ours(1)
    ms = medians(
        seconds,
        other=training_step(size.other(), x[0]),
        ours=training_step(ours, x),
        last=training_step(ours, x, last_only=True),
    )
    work, moved = size.matmul_flops(batch), least_bytes(size, batch)
    floor = 1e3 * max(work / rates[0], moved / rates[1])
    return {
        "encoder": str(size),
        "batch": str(batch),
        "package or nn.LSTM, ms": f"{ms['other']:.1f}",
        "ours, ms": f"{ms['ours']:.1f}",
        "ratio": f"{ms['other'] / ms['ours']:.2f}",
        "ours for the last step only, ms": f"{ms['last']:.1f}",
        "ratio ": f"{ms['other'] / ms['last']:.2f}",
        "matmul GFLOP": f"{work / 1e9:.2f}",
        "MB": f"{moved / 1e6:.1f}",
        "floor, ms": f"{floor:.2f}",
        "package or nn.LSTM / floor": f"{ms['other'] / floor:.1f}",
        "ours / floor": f"{ms['ours'] / floor:.1f}",
    }


def many_models(size: LSTMSize | XLSTMSize, copies: int, batch: int, seconds: float) -> dict[str, str]:
    x = torch.randn(copies, batch, STEPS, size.input_size)
    others = [training_step(size.other(), x_n) for x_n in x]
    singles = [training_step(size.ours(1), x_n) for x_n in x.split(1)]
    ms = medians(
        seconds,
        others=lambda: [step() for step in others],
        singles=lambda: [step() for step in singles],
        stacked=training_step(size.ours(copies), x),
    )
    return {
        "encoder": str(size),
        "N": str(copies),
        "loop over package or nn.LSTM, ms a model": f"{ms['others'] / copies:.2f}",
        "loop over ours": f"{ms['singles'] / copies:.2f}",
        "ours stacked": f"{ms['stacked'] / copies:.2f}",
        "loop / stacked": f"{ms['others'] / ms['stacked']:.2f}",
        "loop over ours / stacked": f"{ms['singles'] / ms['stacked']:.2f}",
    }


Encoders = list[LSTMSize | XLSTMSize]


def one_table(sizes: Encoders, batches: list[int], seconds: float, rates: tuple[float, float]) -> list[str]:
    rows = [one_model(size, batch, seconds, rates) for batch in batches for size in sizes]
    return ["### One training step of one model", "", *table(rows), ""]


def many_table(counts: list[int], seconds: float) -> list[str]:
    rows = [many_models(size, copies, 32, seconds) for size in SMALL for copies in counts]
    return [
        "### One training step of N independent models, batch 32 each, in one process",
        "",
        *table(rows),
        "",
    ]


def compiled_table(sizes: list[XLSTMSize], seconds: float) -> list[str]:
    """What ``xlstm.compile`` costs and saves, and after how many steps the one has paid for the other."""
    rows = []
    for size in sizes:
        torch.compiler.reset()
        x = torch.randn(1, 32, STEPS, size.input_size)
        eager, compiled = size.ours(1, dropout=0.1), size.ours(1, dropout=0.1)
        compiled.compile_for(1, 32)
        step = training_step(compiled, x, last_only=True)
        began = time.perf_counter()
        step()
        cost = time.perf_counter() - began
        ms = medians(
            seconds,
            other=training_step(size.other(dropout=0.1), x[0]),
            eager=training_step(eager, x, last_only=True),
            compiled=step,
        )
        saved = ms["eager"] - ms["compiled"]
        rows.append(
            {
                "encoder": str(size),
                "package, ms": f"{ms['other']:.1f}",
                "ours, ms": f"{ms['eager']:.1f}",
                "ratio": f"{ms['other'] / ms['eager']:.2f}",
                "compiled, ms": f"{ms['compiled']:.1f}",
                "ratio ": f"{ms['other'] / ms['compiled']:.2f}",
                "compilation, s": f"{cost:.0f}",
                "pays after steps": f"{1e3 * cost / saved:,.0f}" if saved > 0 else "never",
            }
        )
    title = "### torch.compile of all but the sLSTM recurrence, batch 32, dropout 0.1 as in training (needs a C++ compiler)"
    return [title, "", *table(rows), ""]


def native_table(sizes: list[tuple[XLSTMSize, int]], seconds: float) -> list[str]:
    """What ``xlstm.kernel: native`` saves; of several copies the package trains one after the other."""
    rows = []
    for size, copies in sizes:
        x = torch.randn(copies, 32, STEPS, size.input_size)
        ours, native = (size.ours(copies, dropout=0.1, kernel=kernel) for kernel in KERNELS)
        others = [training_step(size.other(dropout=0.1), x_n) for x_n in x]
        ms = medians(
            seconds,
            other=lambda others=others: [step() for step in others],
            whole=training_step(native, x),
            ours=training_step(ours, x, last_only=True),
            native=training_step(native, x, last_only=True),
        )
        rows.append(
            {
                "encoder": str(size),
                "copies": str(copies),
                "package, ms": f"{ms['other']:.1f}",
                "ours, ms": f"{ms['ours']:.1f}",
                "ratio": f"{ms['other'] / ms['ours']:.2f}",
                "native, ms": f"{ms['native']:.1f}",
                "ratio ": f"{ms['other'] / ms['native']:.2f}",
                "ours / native": f"{ms['ours'] / ms['native']:.2f}",
                "native, all steps, ms": f"{ms['whole']:.1f}",
                "ratio  ": f"{ms['other'] / ms['whole']:.2f}",
            }
        )
    return [*table(rows), ""]


REST = "element-wise, sums, norms"
KINDS = {
    **dict.fromkeys(("addmm", "mm", "bmm", "baddbmm", "baddbmm_", "_linear_pointwise"), "matrix products"),
    **dict.fromkeys(("mkldnn_rnn_layer", "mkldnn_rnn_layer_backward"), "torch.lstm's kernel"),
    **dict.fromkeys(("copy_", "cat", "stack", "_to_copy", "clone", "contiguous"), "copies"),
    **dict.fromkeys(("fill_", "zero_", "empty", "empty_like"), "copies"),
}


def where_table(sizes: Encoders, batch: int = 32, steps: int = 20) -> list[str]:
    """Shares of a step by kind of operation, as torch's profiler sees it; profiling itself costs a few µs each."""
    rows = []
    for size in sizes:
        step = training_step(size.ours(1), torch.randn(1, batch, STEPS, size.input_size), last_only=True)
        for _ in range(3):
            step()
        with profile(activities=[ProfilerActivity.CPU]) as profiled:
            began = time.perf_counter()
            for _ in range(steps):
                step()
            whole = 1e6 * (time.perf_counter() - began)
        spent = dict.fromkeys([*KINDS.values(), REST], 0.0)
        calls = 0
        for event in profiled.key_averages():
            library, _, name = event.key.rpartition("::")
            if library not in ("aten", "mkldnn"):
                continue
            calls += event.count
            spent[KINDS.get(name, REST)] += event.self_cpu_time_total
        rest = whole - sum(spent.values())
        shares = {kind: f"{us / whole:.0%}" for kind, us in spent.items()}
        row = {"encoder": str(size), "operations": f"{calls // steps:,}"} | shares
        rows.append(row | {"Python, autograd, the profiler": f"{rest / whole:.0%}"})
    return [f"### Where a step's time goes, batch {batch}", "", *table(rows), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the encoders against their alternatives.")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--quick", action="store_true", help="seconds rather than minutes, for a look")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    seconds, batches, counts = (1, [32], [10]) if arguments.quick else (8, [32, 512], [10, 100])
    rates = machine()
    print(f"{cpu_name()}, {arguments.threads} threads, torch {torch.__version__}")
    print(f"matmul {rates[0] / 1e9:.0f} GFLOP/s, memory {rates[1] / 1e9:.0f} GB/s")
    print("\n".join([*one_table(DEFAULTS + SMALL, batches, seconds, rates), *many_table(counts, seconds)]))


if __name__ == "__main__":
    main()
