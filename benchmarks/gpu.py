"""The same steps on a GPU: of one model, with either way to compute the sLSTM recurrence, and of many as one stack."""

from collections.abc import Callable

import torch

from encoders import DEFAULTS, SMALL, STEPS, XLSTMSize, training_step
from measure import medians, table
from vdcast.errors import InputError


def gpu_tables(seconds: float, device: str, counts: tuple[int, ...] = (10, 100)) -> list[str]:
    one = [one_model(size, batch, seconds, device) for batch in (32, 512) for size in DEFAULTS]
    many = [many_models(size, copies, seconds, device) for size in SMALL for copies in counts]
    return [
        "### One training step of one model",
        "",
        *table(one),
        "",
        "### One training step of N models, batch 32 each: a tenth of N single steps is what a stack is for",
        "",
        *table(many),
        "",
    ]


def waited_for(step: Callable[[], None], device: str) -> Callable[[], None]:
    """A step is over when the GPU is."""

    def whole() -> None:
        step()
        if device == "cuda":
            torch.cuda.synchronize()

    return whole


def one_model(size, batch: int, seconds: float, device: str) -> dict[str, str]:
    x = torch.randn(1, batch, STEPS, size.input_size, device=device)
    steps = {"other": training_step(size.other().to(device), x[0])}
    steps["ours"] = training_step(size.ours(1).to(device), x, last_only=True)
    refused = ""
    if isinstance(size, XLSTMSize):
        kernel = size.ours(1, slstm_backend="cuda").to(device)
        try:
            training_step(kernel, x, last_only=True)()
            steps["kernel"] = training_step(kernel, x, last_only=True)
        except InputError as error:
            refused = str(error)
    half = size.ours(1).to(device)
    half.forward = torch.autocast(device, torch.bfloat16)(half.forward)
    steps["bfloat16"] = training_step(half, x, last_only=True)
    ms = medians(seconds, **{name: waited_for(step, device) for name, step in steps.items()})
    return {
        "encoder": str(size),
        "batch": str(batch),
        "package or nn.LSTM, ms": f"{ms['other']:.2f}",
        "ours, ms": f"{ms['ours']:.2f}",
        "ratio": f"{ms['other'] / ms['ours']:.2f}",
        "ours, the package's sLSTM kernel, ms": f"{ms['kernel']:.2f}" if "kernel" in ms else refused,
        "ours, bfloat16, ms": f"{ms['bfloat16']:.2f}",
    }


def many_models(size, copies: int, seconds: float, device: str) -> dict[str, str]:
    x = torch.randn(copies, 32, STEPS, size.input_size, device=device)
    single = training_step(size.ours(1).to(device), x[:1], last_only=True)
    stack = training_step(size.ours(copies).to(device), x, last_only=True)
    ms = medians(seconds, single=waited_for(single, device), stacked=waited_for(stack, device))
    return {
        "encoder": str(size),
        "N": str(copies),
        "one model, ms": f"{ms['single']:.2f}",
        "the stack, ms": f"{ms['stacked']:.2f}",
        "of N single steps": f"{ms['stacked'] / (copies * ms['single']):.1%}",
    }
