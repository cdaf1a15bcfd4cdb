"""Where the time axis is cut, by hand; tests/train/test_folds.py: that no fold knows what comes after it."""

import numpy as np
import pytest

from vdcast import params
from vdcast.errors import InputError
from vdcast.params.sections import Folds
from vdcast.prepare.folds import borders
from vdcast.prepare.split import prepare
from vdcast.prepare.usable import check_fits

SHARES = [0.6, 0.2, 0.2]


def folds(number=2, days=3, every=3, refit=True) -> Folds:
    return Folds(number=number, days=days, every=every, refit=refit)


def test_without_folds_the_shares_cut_once():
    assert borders(480, 3600, SHARES, None) == [(0, 288, 384, 480)]


def test_folds_end_one_after_the_other_and_know_all_before_them():
    """20 days of hours: tests of days 15 to 17 and 18 to 20; before them 14 and 17 days, three quarters of them training."""
    assert borders(480, 3600, SHARES, folds()) == [(0, 252, 336, 408), (0, 306, 408, 480)]


def test_there_may_be_days_between_two_test_parts():
    assert [cut[2:] for cut in borders(480, 3600, SHARES, folds(every=5))] == [(288, 360), (408, 480)]


def test_without_refit_there_is_one_training_and_one_long_test_part():
    assert borders(480, 3600, SHARES, folds(refit=False)) == [(0, 252, 336, 480)]


def test_folds_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(InputError, match="evaluate.folds wants 7 test parts of 3 days.*data have 20.0 days"):
        borders(480, 3600, SHARES, folds(number=7))


@pytest.mark.parametrize(
    ("lookback", "found"),
    [(20, "fewer than two days"), (40, "too short for one window with a lookback of 2,400 min")],
)
def test_a_part_too_short_is_refused_for_what_it_is(detectors, prepare_settings, lookback, found):
    """Five folds of three days leave five days of twenty; a quarter of these are 30 hours of validation."""
    settings = params.load()
    evaluate = settings.evaluate.model_copy(update={"folds": folds(number=5)})
    window = settings.window.model_copy(update={"sequence_length": lookback})
    modes = settings.modes.model_copy(update=SMALL_MODES)
    asked = settings.model_copy(update={"evaluate": evaluate, "window": window, "modes": modes})
    made, _ = prepare(detectors, prepare_settings, folds(number=5))
    with pytest.raises(InputError, match=f"leaves the validation part of a fold 1,800 min, {found}"):
        check_fits(made[0], asked)


SMALL_MODES = {
    name: mode.model_copy(update={"num_vds": 1})
    for name, mode in params.load().modes
    if hasattr(mode, "num_vds")
}


def test_every_fold_has_statistics_of_its_own_training_part_and_the_same_vds(detectors, prepare_settings):
    (one, two), _ = prepare(detectors, prepare_settings, folds())
    for made, steps in ((one, 252), (two, 306)):
        np.testing.assert_allclose(made.mean, np.nanmean(detectors.values[:steps], axis=0), rtol=1e-5)
        assert len(made.own_day_out) == steps
    assert one.parts["test"].vd_ids == two.parts["test"].vd_ids
    assert one.parts["test"].timestamps[-1] + 3600 == two.parts["test"].timestamps[0]
