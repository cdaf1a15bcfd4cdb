"""Who is best on the validation part, by hand."""

from vdcast.compare.opponents import best, opponents
from vdcast.records.validation import Validation

# by (H, V): persistence is best at the first horizon, linear at the second and over both
KNOWN = Validation(
    vds=["a", "b", "c"],
    mae={
        "persistence": [[1.0, 10.0, 9.0], [4.0, 40.0, 1.0]],
        "linear": [[2.0, 20.0, 9.0], [2.0, 20.0, 1.0]],
    },
)


def test_the_opponent_is_the_best_over_all_horizons_then_at_each_nearest_first():
    """Relative to the mean of both: 2 / 3 and 4 / 3 against 4 / 3 and 2 / 3 at VDs a and b; at c they are alike."""
    found = opponents(KNOWN, ["a", "b"], {1: 30.0, 0: 15.0})
    assert [(each.place, each.label, each.simpler) for each in found] == [
        ("whole", "", "persistence"),  # equal: the first
        ("horizon", 15.0, "persistence"),
        ("horizon", 30.0, "linear"),
    ]
    assert [each.steps for each in found] == [slice(None), slice(0, 1), slice(1, 2)]


def test_no_busy_vd_decides_alone():
    """Pooled, VD b has ten times the error of a."""
    mae = {"persistence": [[2.0, 10.0]], "linear": [[1.0, 11.0]]}
    assert best(Validation(vds=["a", "b"], mae=mae), ["a", "b"], slice(None)) == "linear"
    assert best(Validation(vds=["a", "b"], mae=mae), ["b"], slice(None)) == "persistence"


def test_what_nobody_observed_or_missed_decides_nothing():
    mae = {"persistence": [[None, 0.0, 3.0]], "linear": [[None, 0.0, 2.0]]}
    assert best(Validation(vds=["a", "b", "c"], mae=mae), ["a", "b", "c"], slice(None)) == "linear"
