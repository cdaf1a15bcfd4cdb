"""vdcast: LSTM against xLSTM on road traffic, one DVC pipeline from detector files to a verdict.

Stages, each a package of the same name: ingest, prepare, train, baselines, evaluate, compare, report.

    from vdcast import Trained
    forecast = Trained.load("runs/lstm-multi_vd/model.pt").forecast(detectors)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vdcast.models.shared.trained import Trained

__all__ = ["Trained"]


def __getattr__(name: str) -> Any:
    """``Trained``, once it is asked for: it takes torch along, which takes seconds."""
    if name in __all__:
        from vdcast.models.shared.trained import Trained

        return Trained
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
