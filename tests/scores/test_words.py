"""How figures are said."""

import pytest

from tests.records import made
from vdcast.language import in_words
from vdcast.params.networks import MODELS
from vdcast.scores.names import COLOURS, MODEL_LABELS
from vdcast.scores.words import all_modes, cut_short, decimals, p_value, sentence, significant


def test_copies_that_the_limit_of_epochs_stopped_are_counted():
    """One that was best before the last epoch has seen the rate fall and nothing better come."""
    case = {"best_epoch": [0, 10, 9, 10], "copies": 4, "patience": 3}
    assert in_words(cut_short(made.training(**case, epoch_limit=10))) == (
        "2 of 4 networks were still improving at the limit of 10 epochs; raise train.epochs"
    )
    assert cut_short(made.training(**case, epoch_limit=20)) is None


def test_every_model_has_a_name_and_a_colour():
    assert set(MODELS) == set(COLOURS) and set(MODELS) == set(MODEL_LABELS)


def test_a_sentence_has_a_capital_and_a_full_stop_but_xlstm_keeps_its_x():
    assert sentence("no verdict") == "No verdict."
    assert sentence("xLSTM better") == "xLSTM better."


@pytest.mark.parametrize(
    ("number", "words"),
    [(2, "both modes"), (3, "all three modes"), (4, "all four modes"), (9, "all 9 modes")],
)
def test_all_of_so_many(number, words):
    assert all_modes(number) == words


@pytest.mark.parametrize(
    ("values", "least", "expected"),
    [
        ((3.07, 3.11), 2, 2),
        ((3.0712, 3.0745), 2, 3),  # 3.071 and 3.074
        ((-0.0004, 0.0), 2, 4),
        ((1.0, 1.0), 2, 2),
        ((1e-9, 0.0), 2, 6),  # never more
        ((0.5, None), 3, 3),
    ],
)
def test_figures_that_differ_get_decimals_that_tell_them_apart(values, least, expected):
    assert decimals(*values, least=least) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.2, "0.200"),
        (0.04567, "0.0457"),
        (5.4321, "5.43"),
        (24.06, "24.1"),
        (1234.5, "1,234"),
        (156466, "156,466"),
        (0.0, "0.00"),
        (None, "undefined"),
    ],
)
def test_a_cost_has_three_significant_digits_and_is_never_0(value, expected):
    assert significant(value) == expected


@pytest.mark.parametrize(
    ("p", "expected"),
    [(0.0312, "0.031"), (2e-5, "2e-05"), (9e-7, "<1e-6"), (0.0, "<1e-6"), (1.0, "1"), (None, "undefined")],
)
def test_a_small_p_is_a_bound(p, expected):
    assert p_value(p) == expected
