"""The same steps on a GPU: of one model, with every way to compute the sLSTM recurrence, and of many as one stack."""

from collections.abc import Callable

import torch

from encoders import DEFAULTS, SMALL, STEPS, LSTMSize, XLSTMSize, training_step
from measure import medians, table
from sample import budget, prepared, settings
from vdcast.models.shared.task import Task
from vdcast.models.xlstm.backends import GraphedScan
from vdcast.models.xlstm.slstm import SLSTMBlock
from vdcast.train.data import TrainingData
from vdcast.train.workers import fit


def gpu_tables(
    seconds: float, device: str, counts: tuple[int, ...] = (10, 100), epochs: int = 20
) -> list[str]:
    one = []
    for size in DEFAULTS:  # a table each, as there are not the same ways to compute them
        one += [*table([one_model(size, batch, seconds, device) for batch in (32, 512)]), ""]
    many = [many_models(size, copies, seconds, device) for size in SMALL for copies in counts]
    halves = [precisions(f"{model}-multi_vd", device, epochs) for model in ("lstm", "xlstm")]
    return [
        "### One training step of one model, ms",
        "",
        *one,
        "### One training step of N models, batch 32 each: a tenth of N single steps is what a stack is for",
        "",
        *table(many),
        "",
        f"### bfloat16 against float32: {epochs} epochs of the sample",
        "",
        *table(halves),
        "",
    ]


def waited_for(step: Callable[[], None], device: str) -> Callable[[], None]:
    """A step is over when the GPU is."""

    def whole() -> None:
        step()
        if device == "cuda":
            torch.cuda.synchronize()

    return whole


def graphed(model: torch.nn.Module) -> torch.nn.Module:
    for block in model.blocks:
        if isinstance(block, SLSTMBlock):
            block.scan = GraphedScan()
    return model


def in_bfloat16(model: torch.nn.Module, device: str) -> torch.nn.Module:
    model.forward = torch.autocast(device, torch.bfloat16)(model.forward)
    return model


def automatic(size: LSTMSize | XLSTMSize, copies: int) -> torch.nn.Module:
    return size.ours(copies, "auto") if isinstance(size, XLSTMSize) else size.ours(copies)


def one_model(size: LSTMSize | XLSTMSize, batch: int, seconds: float, device: str) -> dict[str, str]:
    """What does not run here (a kernel that does not compile, a graph without a GPU) is named by its error."""
    x = torch.randn(1, batch, STEPS, size.input_size, device=device)
    networks = {"package" if isinstance(size, XLSTMSize) else "nn.LSTM": size.other}
    if isinstance(size, XLSTMSize):
        networks |= {
            "package, its kernel": lambda: size.other("cuda"),
            "ours, step by step": lambda: size.ours(1),
            "ours, CUDA graph": lambda: graphed(size.ours(1)),
            "ours, the package's kernel": lambda: size.ours(1, "cuda"),
        }
    networks |= {
        "ours, auto": lambda: automatic(size, 1),
        "ours, auto, bfloat16": lambda: in_bfloat16(automatic(size, 1), device),
    }
    steps, cells = {}, dict.fromkeys(networks, "")
    for name, build in networks.items():
        try:
            theirs = name.startswith(("package", "nn.LSTM"))
            model = build().to(device)
            step = training_step(model, x[0]) if theirs else training_step(model, x, last_only=True)
            step()
            steps[name] = waited_for(step, device)
        except Exception as error:  # whatever a build of foreign code ends with
            cells[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:60]}"
    cells |= {name: f"{ms:.2f}" for name, ms in medians(seconds, **steps).items()}
    return {"encoder": str(size), "batch": str(batch)} | cells


def many_models(size: LSTMSize | XLSTMSize, copies: int, seconds: float, device: str) -> dict[str, str]:
    x = torch.randn(copies, 32, STEPS, size.input_size, device=device)
    single = training_step(automatic(size, 1).to(device), x[:1], last_only=True)
    stack = training_step(automatic(size, copies).to(device), x, last_only=True)
    ms = medians(seconds, single=waited_for(single, device), stacked=waited_for(stack, device))
    return {
        "encoder": str(size),
        "N": str(copies),
        "one model, ms": f"{ms['single']:.2f}",
        "the stack, ms": f"{ms['stacked']:.2f}",
        "of N single steps": f"{ms['stacked'] / (copies * ms['single']):.1%}",
    }


def precisions(name: str, device: str, epochs: int) -> dict[str, str]:
    """Best MAE of the target VD on the validation part, seed by seed, and seconds an epoch."""
    row = {"run": name}
    for precision in ("float32", "bfloat16"):
        run = budget(name, epochs=epochs, patience=epochs, precision=precision)
        task = Task.of(prepared(), settings(), run.mode)
        fitted = fit(run, [TrainingData.of(task, prepared(), device)])
        mae = fitted.figures[:, :, 2].min(dim=0).values.tolist()
        row[f"{precision}, MAE"] = ", ".join(f"{each:.3f}" for each in mae)
        row[f"{precision}, s an epoch"] = f"{sum(fitted.seconds) / len(fitted.seconds):.2f}"
    return row
