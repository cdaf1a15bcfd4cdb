"""How much data is enough."""

from vdcast.language import in_words
from vdcast.params.sections import Folds
from vdcast.prepare.amount import amount_of, enough_days, too_little


def test_nothing_is_said_of_two_weeks_to_train_on_and_a_week_to_choose_and_to_test_by():
    assert too_little({"train": 14.0, "validation": 7.0, "test": 7.0}, 38) is None


def test_only_the_parts_that_are_short_are_named():
    days = {"train": 15.6, "validation": 7.2, "test": 5.2}
    assert in_words(too_little(days, 38)) == (
        "Too little data for an answer that lasts: the test part has 5.2 of 7 days: the answer is about these days, and "
        "not about a week; 38 days at this split would do."
    )
    assert enough_days(days) == 38, "7 / 5.2 of 28 days, rounded up"


def test_a_day_is_named_in_every_part():
    days = {"train": 0.6, "validation": 0.2, "test": 0.2}
    said = in_words(too_little(days, None))
    assert all(f"the {part} part has 0." in said for part in ("training", "validation", "test"))
    assert enough_days(days) == 35


def test_of_a_walk_forward_the_test_days_are_those_of_all_folds(detectors):
    def parts(first, last):
        cuts = {"train": (0, 10), "validation": (10, first), "test": (first, last)}
        return {name: detectors.rows(24 * start, 24 * stop) for name, (start, stop) in cuts.items()}

    folds = [parts(14, 17), parts(17, 20)]
    found = amount_of(folds, Folds(number=2, days=3, every=3, refit=True))
    assert found.days == {"train": 10.0, "validation": 4.0, "test": 6.0}
    assert in_words(found.too_little).endswith("not about a week."), "and no split is advised"
    assert in_words(amount_of(folds[:1]).too_little).endswith(
        "; 40 days at this split would do."
    )  # 7 / 3 of 17
