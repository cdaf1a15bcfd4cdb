"""When a search is over, and whose turn it is."""

from types import SimpleNamespace

from vdcast.search.budget import Used, end, next_model

BUDGET = SimpleNamespace(trials=10, seconds=100.0)


def test_a_model_ends_by_whichever_is_spent_first():
    assert end(Used(9, 99.9), BUDGET) is None
    assert end(Used(10, 5.0), BUDGET) == "trials"
    assert end(Used(3, 100.0), BUDGET) == "seconds"


def test_the_model_that_is_further_from_its_end_is_next():
    assert next_model({"lstm": Used(5, 10.0), "xlstm": Used(2, 60.0)}, BUDGET) == "lstm"  # 0.5 and 0.6 of it
    assert next_model({"lstm": Used(7, 10.0), "xlstm": Used(2, 60.0)}, BUDGET) == "xlstm"
    assert next_model({"lstm": Used(10, 10.0), "xlstm": Used(9, 99.0)}, BUDGET) == "xlstm"
    assert next_model({"lstm": Used(10, 10.0), "xlstm": Used(2, 100.1)}, BUDGET) is None
