"""Records for tests: what a case does not name is undefined, or one plausible figure."""

from vdcast.records.comparison import Comparison, CutRow, Line, PairedDifference, Parts, Scores, Spent
from vdcast.records.cost import Cost, Latency
from vdcast.records.prepare import Amount, Preparation
from vdcast.records.training import Training

UNDEFINED = dict.fromkeys(("rmse", "wape", "mape", "r2", "bias", "skill"))


def scores(mae: float | None, **others) -> Scores:
    return Scores(**{"mae": mae, "observations": 1, **UNDEFINED, **others})


def row(label, mae: float | None, **others) -> CutRow:
    return CutRow(**{"label": label, "mae": mae, "observations": 1, **UNDEFINED, **others})


def spent(**others) -> Spent:
    whole = {"parameters": 10, "flops_per_window": 10, "epochs": 10}
    return Spent(**dict.fromkeys(Spent.__struct_fields__, 10.0) | whole | others)


def training(**others) -> Training:
    known = {"problem": None, "notes": [], "copies": 1, "parameters": 10, "windows": 100, "epochs": 10}
    known |= {"epoch_limit": 100, "patience": 8, "best_epoch": [2], "validation_loss": [0.5], "ranks": 1}
    known |= {"device": "cpu", "kernel": "vanilla", "peak_memory_mb": 10.0}
    known |= {"epoch_seconds": 10.0, "first_epoch_seconds": 10.0, "seconds": 10.0}
    return Training(**known | others)


def preparation(**others) -> Preparation:
    enough = Amount(days={"train": 30.0, "validation": 10.0, "test": 10.0}, weeks=4, too_little=None)
    known = {"asked": ["a"], "kept": ["a"], "target_vd": "a", "dropped": [], "amount": enough}
    return Preparation(**known | others)


def cost() -> Cost:
    latency = Latency(median=10.0, low=9.0, high=11.0)
    return Cost(flops_per_window=10, latency_ms=latency, latency_batch_ms=latency, device="cpu", threads=1)


def difference(
    a: str, b: str, relative: float | None = -0.1, error: float | None = 0.02, **others
) -> PairedDifference:
    """Whose standard error is all of days, so many of them that its interval is nearly the normal one."""
    variance = None if error is None else Parts(days=error**2, vds=0.0, seeds_a=0.0, seeds_b=0.0)
    df = None if error is None else Parts(days=1e9, vds=0.0, seeds_a=0.0, seeds_b=0.0)
    known = {"relative": relative, "variance": variance, "df": df, "correlation": 0.0, "mae": -0.5}
    known |= {"boot_low": -0.9, "boot_high": -0.1, "p_dm": 0.001, "days": 5, "vds": 1, "seeds": 2}
    return PairedDifference(**{"a": a, "b": b, **known} | others)


def line(
    model: str, simpler: str, relative: float | None = -0.2, error: float | None = 0.02, **others
) -> Line:
    known = {"place": "whole", "label": "", "relative": relative, "error": error, "df": error and 1e9}
    known |= {"mae": 5.0, "mae_simpler": 6.0, "vds": 1, "vds_ahead": 1}
    return Line(**{"model": model, "simpler": simpler, **known} | others)


def comparison(mode: str = "single_vd", **others) -> Comparison:
    """Of one VD: LSTM's MAE is 5, xLSTM's 4, that of persistence 6."""
    mae = {"lstm": 5.0, "xlstm": 4.0, "persistence": 6.0}
    known = {
        "mode": mode,
        "problem": None,
        "target": "volume",
        "unit": "veh/h",
        "target_vd": "7",
        "vds": ["7"],
        "seeds": 2,
        "windows": 100,
        "interval": 3600,
        "mape_floor": 10.0,
        "congested": "never",
        "peak": "never",
        "notes": [],
        "scores": {"target_vd": {name: scores(each) for name, each in mae.items()}},
        "cuts": {"target_vd": {"horizon": {name: [row(60.0, each)] for name, each in mae.items()}}},
        "best_naive": "persistence",
        "differences": [difference("xlstm", "lstm")],
        "lines": [line("lstm", "persistence"), line("xlstm", "persistence")],
        "cost": {
            "lstm": spent(seconds=10.0, parameters=100),
            "xlstm": spent(seconds=40.0, parameters=200),
        },
        "further_targets": [],
    }
    return Comparison(**known | others)
