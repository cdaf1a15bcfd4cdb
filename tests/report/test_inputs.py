"""What the report says of what `prepare` dropped (the rest: test_judge.py, prepare/)."""

from msgspec import structs

from tests.records.made import preparation
from vdcast.language import Said
from vdcast.records.prepare import Amount, Dropped
from vdcast.report.inputs import dropped_in_words, too_little

LOW = {"feature": Said("language.feature.volume"), "mean": 4.99, "limit": 5.0}
KEPT = preparation(
    asked=["a", "b", "c"],
    kept=["a", "c"],
    target_vd="a",
    dropped=[
        Dropped("occupancy", "feature", Said("language.dropped.unobserved.train")),
        Dropped("b", "vd", Said("language.dropped.low_mean", LOW)),
    ],
)


def test_what_prepare_dropped_is_one_sentence():
    assert dropped_in_words(KEPT, 0) == [
        "Dropped by prepare, for what the training part holds of it: occupancy (feature without any observation in the "
        "training part), b (mean volume 4.99, under 5); reports/prepare.md has the reasons."
    ]
    assert dropped_in_words(structs.replace(KEPT, dropped=[]), 0) == []
    many = structs.replace(
        KEPT, dropped=[Dropped(vd, "vd", Said("language.dropped.idle")) for vd in "bdefghi"]
    )
    (said,) = dropped_in_words(many, 0)
    assert "g (the same at every time of the training part) and 2 more; reports" in said


def test_a_dropped_vd_before_the_target_vd_moves_it():
    (_, moved) = dropped_in_words(structs.replace(KEPT, target_vd="c"), 1)
    assert moved == ("A VD that was dropped stood before the target VD: target_vd_index 1 is VD c, not VD b.")


def test_too_little_data_weakens_the_answer():
    amount = Amount(
        days={"train": 12.0, "validation": 4.0, "test": 4.0},
        weeks=1,
        too_little=Said("language.amount.too_little", {"found": "...", "needed": 35}),
    )
    (weakness,) = too_little(structs.replace(KEPT, amount=amount))
    assert (weakness.title, weakness.sentences) == (
        "Too little data",
        ["Too little data for an answer that lasts: ...; 35 days at this split would do."],
    )
    assert too_little(structs.replace(KEPT, amount=structs.replace(amount, too_little=None))) == []
