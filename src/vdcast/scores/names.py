"""What a model, a baseline or the observation is called and looks like, in every table and picture."""

from vdcast.language import say

COLOURS = {"lstm": "#0072B2", "xlstm": "#D55E00"}  # Okabe & Ito: told apart by colour-blind readers
GREYS = {  # of the baselines; the naive ones first
    "persistence": "-",
    "yesterday": ":",
    "last_week": "-.",
    "hour_of_week": "--",
    "damped": (0, (1, 3)),
    "linear": (0, (8, 2)),
    "trees": (0, (8, 2, 2, 2, 2, 2)),
}
# skill is against the best
NAIVE_FORECASTS = ("persistence", "yesterday", "last_week", "hour_of_week", "damped")
MODEL_LABELS = {"lstm": "LSTM", "xlstm": "xLSTM"}
ENSEMBLE = "_ensemble"


def cut_label(cut: str, label: str) -> str:
    """What a label of a cut is called; VDs and spans of days are called the same everywhere."""
    return label if cut in ("vd", "age") else say(f"scores.cut.{label}")


def label(name: str) -> str:
    """What a model, its ensemble, a baseline or the observation is called."""
    if name in MODEL_LABELS:
        return MODEL_LABELS[name]
    if name.endswith(ENSEMBLE):
        return say("scores.ensemble", model=MODEL_LABELS[name.removesuffix(ENSEMBLE)])
    return say(f"language.label.{name}")
