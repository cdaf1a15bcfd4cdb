"""What a search found: its curve, and what luck alone would give."""

from datetime import datetime, timedelta

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from vdcast.search.found import curve, importance, luck


def trial(number: int, seconds: float, value: float | None, *, rate: float = 0.1, idle: float = 0.1):
    done = create_trial(
        state=TrialState.COMPLETE if value is not None else TrialState.PRUNED,
        value=value,
        params={"learning_rate": rate, "dropout": idle},
        distributions=dict.fromkeys(("learning_rate", "dropout"), FloatDistribution(0.0, 1.0)),
        user_attrs={"seconds": seconds},
    )
    done.number = number
    done.datetime_complete = datetime(2026, 1, 1) + timedelta(minutes=number)
    return done


def test_the_curve_falls_with_each_better_trial_and_counts_the_seconds_of_all():
    trials = [trial(2, 4.0, 0.8), trial(0, 1.0, 0.9), trial(1, 2.0, None), trial(3, 8.0, 0.85)]
    assert curve(trials) == [(1.0, 0.9), (7.0, 0.8), (15.0, 0.8)]


def test_luck_is_what_the_best_of_many_seeds_would_give():
    errors = [0.98, 1.0, 1.02]  # mean 1, standard deviation 0.02
    drawn = np.random.default_rng(0).normal(1, 0.02, (20_000, 60)).min(axis=1).mean()
    assert luck(errors, 60) == pytest.approx(1 - drawn, rel=0.02)
    assert luck(errors, 1) is None and luck([1.0], 60) is None


def test_importance_goes_to_the_setting_that_moves_the_error():
    rng = np.random.default_rng(0)
    space = {"learning_rate": None, "dropout": None}
    trials = [
        trial(n, 1.0, float(rate), rate=rate, idle=idle) for n, (rate, idle) in enumerate(rng.random((30, 2)))
    ]
    shares = importance(trials, space)
    assert next(iter(shares)) == "learning_rate" and shares["learning_rate"] > 0.9
    assert importance(trials[:5], space) == {}
    assert optuna.logging.get_verbosity() == optuna.logging.WARNING
