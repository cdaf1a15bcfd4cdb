"""vdcast: LSTM against xLSTM on road traffic, one DVC pipeline from detector files to a verdict.

Stages, each a package of the same name: ingest, quality, prepare, train, baselines, evaluate, compare,
control, report.

    import vdcast
    model = vdcast.Trained.load("runs/lstm-multi_vd/model.pt")
    model.forecast(vdcast.read("data/detectors.h5"))  # a DataFrame
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vdcast.data.store import read
    from vdcast.models.shared.trained import Trained

__all__ = ["Trained", "read"]

_HOMES = {"Trained": "vdcast.models.shared.trained", "read": "vdcast.data.store"}


def __getattr__(name: str) -> Any:
    """``Trained`` and ``read``, once they are asked for: they take numpy along, and torch comes with the first model."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """With the names that are not fetched yet, as a shell completes them."""
    return sorted({*globals(), *__all__})
