"""How much data is enough."""

from vdcast.prepare.amount import too_little


def test_nothing_is_said_of_two_weeks_to_train_on_and_a_week_to_choose_and_to_test_by():
    assert too_little({"train": 14.0, "validation": 7.0, "test": 7.0}) is None


def test_only_the_parts_that_are_short_are_named():
    said = too_little({"train": 15.6, "validation": 7.2, "test": 5.2})
    assert said == (
        "Too little data for an answer that lasts: the test part has 5.2 of 7 days: the answer is about these days, and "
        "not about a week; 38 days at this split would do."
    )  # 7 / 5.2 of 28 days, rounded up


def test_a_day_is_named_in_every_part():
    said = too_little({"train": 0.6, "validation": 0.2, "test": 0.2})
    assert all(f"the {part} part has 0." in said for part in ("training", "validation", "test"))
    assert said.endswith("; 35 days at this split would do.")
