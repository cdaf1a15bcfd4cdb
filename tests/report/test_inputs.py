"""What the report says of what `prepare` dropped (the rest: test_comparison.py, test_bad_input.py)."""

from vdcast.report.inputs import dropped_in_words

REASONS = """

- occupancy: feature without any observation in the training part
- b: mean volume 4.99, under 5
"""


def test_what_prepare_dropped_is_one_sentence():
    assert dropped_in_words(REASONS, ["a", "b", "c"], 0, "a") == [
        "Dropped by prepare, for what the training part holds of it: occupancy (feature without any observation in the "
        "training part), b (mean volume 4.99, under 5); reports/prepare.md has the reasons."
    ]
    assert dropped_in_words("\nNothing.\n", ["a", "b"], 1, "b") == []
    many = "\n".join(f"- {vd}: empty" for vd in "abcdefg")
    (said,) = dropped_in_words(many, list("abcdefgh"), 0, None)
    assert "d (empty), e (empty) and 2 more; reports" in said


def test_a_dropped_vd_before_the_target_vd_moves_it():
    (_, moved) = dropped_in_words(REASONS, ["a", "b", "c"], 1, "c")
    assert moved == ("A VD that was dropped stood before the target VD: target_vd_index 1 is VD c, not VD b.")
