"""Blocks whose recurrence and element-wise work is C++, native.cpp: what training on a CPU may take instead of Python.

It is compiled on first use, by torch's own tools, and kept. Where no gradient is wanted the vanilla code computes, so that
what was trained with it is validated by what forecasts, and forecasts on machines without a compiler.
"""

import fcntl
import hashlib
import os
import platform
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from vdcast.errors import InputError, first_line
from vdcast.models.shared.stacked import in_full_precision
from vdcast.models.xlstm.mlstm import MLSTMBlock
from vdcast.models.xlstm.slstm import SLSTMBlock

SOURCE = Path(__file__).with_name("native.cpp")
# The last two let the compiler make vectors where C would have to keep errno and traps in order; no number depends on them.
FLAGS = ("-O3", "-march=native", "-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math")


class NativeMLSTMBlock(MLSTMBlock):
    """``MLSTMBlock`` with its layer in C++."""

    def cell(self, *given: Tensor) -> Tensor:
        return Native.apply("mlstm", *given) if torch.is_grad_enabled() else super().cell(*given)


class NativeSLSTMBlock(SLSTMBlock):
    """``SLSTMBlock`` with convolution, gates and recurrence in C++."""

    def hidden(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return super().hidden(x)
        layer, cell = self.xlstm, self.xlstm.slstm_cell
        h = in_full_precision(
            lambda *given: Native.apply("slstm", *given),
            self.xlstm_norm(x),
            layer.conv1d.conv.weight,
            layer.conv1d.conv.bias,
            layer.fgate.weight,
            layer.igate.weight,
            layer.zgate.weight,
            layer.ogate.weight,
            cell._recurrent_kernel_,
            cell._bias_,
        )
        return h.unflatten(3, (self.heads, -1))


class Native(torch.autograd.Function):
    """A function of native.cpp by its name; ``given`` is what ``Given`` lists there."""

    @staticmethod
    def forward(ctx, name: str, *given: Tensor) -> Tensor:
        given = tuple(each.contiguous() for each in given)
        kept = getattr(operators(), name)(given)
        ctx.name, ctx.number = name, len(given)
        ctx.save_for_backward(*given, *kept)
        return kept[0]

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        given, kept = ctx.saved_tensors[: ctx.number], ctx.saved_tensors[ctx.number :]
        return None, *getattr(operators(), f"{ctx.name}_backward")(grad.contiguous(), given, kept)


def problem(device: str) -> str | None:
    """Why this kernel cannot train on ``device``, in a sentence; None where it can, and is compiled by then."""
    if device != "cpu":
        return "xlstm.kernel 'native' computes on a CPU alone"
    try:
        operators()
    except InputError as error:
        return str(error)
    return None


@cache
def operators():
    """Those of native.cpp, compiled unless an earlier process has. Raises InputError where that fails."""
    library = built_at()
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        with library.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes one compiles, the others wait
            if library.exists():
                torch.ops.load_library(library)
            else:
                build(library)
    except (ImportError, OSError, RuntimeError) as error:
        raise InputError(
            f"xlstm.kernel 'native' needs a C++ compiler and ninja (pip install 'vdcast[native]'), and did not compile "
            f"({first_line(error)[:200]})"
        ) from error
    return torch.ops.vdcast_native


def built_at() -> Path:
    """Where the compiled code lies; another source, torch or processor has another one."""
    root = os.environ.get("TORCH_EXTENSIONS_DIR") or Path.home() / ".cache" / "torch_extensions"
    depends = (SOURCE.read_text("utf-8"), *FLAGS, torch.__version__, processor())
    return Path(root) / "vdcast" / f"{hashlib.sha256(repr(depends).encode()).hexdigest()[:32]}.so"


def processor() -> str:
    """Its model, and what it can do."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return f"{platform.machine()} {platform.processor()}"
    said = ("model name", "flags", "CPU implementer", "CPU part", "Features")  # the last three on ARM
    return "\n".join(sorted({line for line in info.read_text("utf-8").splitlines() if line.startswith(said)}))


def build(library: Path) -> None:
    """Compile and load native.cpp, and keep it as ``library``, whole or not at all."""
    from torch.utils import cpp_extension  # takes seconds to import

    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        cpp_extension.load(
            "vdcast_native",
            str(SOURCE),
            extra_cflags=[*FLAGS],
            build_directory=folder,
            is_python_module=False,
        )
        os.replace(Path(folder) / "vdcast_native.so", library)
    took = time.perf_counter() - began
    print(
        f"vdcast: xlstm.kernel 'native' was compiled in {took:.0f} s and is kept as '{library}'",
        file=sys.stderr,
    )
