import numpy as np
import pytest

from tests.baselines.test_naive import series
from vdcast.baselines import damped
from vdcast.baselines.residuals import carried
from vdcast.data import profile, scale
from vdcast.data.detectors import Detectors, Prepared
from vdcast.params.sections import Window

TWO_KINDS, NAN = np.array(damped.DAY_TYPES[0]), np.nan


def part(values, start="2024-01-01", interval=3600) -> Detectors:
    """Of one feature (T, V, 1), from a Monday on."""
    values = np.asarray(values, np.float32)
    V = values.shape[1]
    return Detectors(
        values=values,
        timestamps=np.datetime64(start, "s").astype(int) + interval * np.arange(len(values)),
        vd_ids=tuple("abcdefgh"[:V]),
        features=("volume",),
        units=("veh/h",),
        interval=interval,
        time_zone="UTC",
        source="test",
    )


def learnt(parts: dict[str, Detectors], targets=("volume",)) -> Prepared:
    """``parts`` with what ``prepare`` takes from the training part."""
    train = parts["train"]
    mean, std = scale.of_values(train.values)
    usual, without = profile.of_part(train), profile.left_out(train)
    return Prepared(
        parts=parts,
        mean=mean,
        std=std,
        profile=usual,
        own_day_out=without,
        targets=targets,
    )


def on(train, validation) -> Prepared:
    return learnt({"train": part(train), "validation": part(validation)})


def test_a_residual_is_carried_over_holes_and_fades():
    found = carried(np.array([[NAN], [2.0], [NAN], [NAN], [-1.0]]))
    assert found[:, 0].tolist() == pytest.approx([0, 2, 1.8, 1.62, -1])


def test_the_share_by_hand():
    """Ratios 0.25, 0.5, 1 weigh 4, 1, 2 of 7: the middle lies within the first."""
    last = np.array([[1.0], [2.0], [-4.0], [5.0]])
    after = np.array([[0.5], [2.0], [-1.0], [NAN]])
    assert damped.shares(last, after).tolist() == [0.25]
    grid = np.linspace(0, 1, 101)
    errors = np.nansum(np.abs(after - grid * last), axis=0)
    assert grid[errors.argmin()] == 0.25


def test_a_share_is_none_or_all_at_most_and_0_where_nothing_can_be_learnt():
    last = np.array([[1.0, 1.0, 0.0, 1.0]])
    assert damped.shares(last, np.array([[-3.0, 3.0, 3.0, NAN]])).tolist() == [0, 1, 0, 0]


def test_the_median_by_hand_and_its_fallbacks():
    values = np.full((24 * 7, 1, 1), NAN)
    values[[0, 24, 48], 0, 0] = 1, 2, 9  # Monday to Wednesday, 00:00
    values[24 * 5 + 1] = 7  # Saturday 01:00 alone
    found = damped.medians_by_slot(part(values), TWO_KINDS)[0][:, 0]
    assert found[[0, 24 * 4]].tolist() == [2, 2]  # every weekday
    assert found[24 * 5] == 2  # no weekend has 00:00: all days
    assert found[[1, 24 * 5 + 1]].tolist() == [7, 7]
    assert found[24 * 3 + 2] == 4.5  # nothing at 02:00 on any day: the median of 1, 2, 7, 9


def test_a_median_is_of_a_quarter_of_an_hour_on_either_side_around_midnight_too():
    values = np.full((288 * 2, 1, 1), NAN)  # Monday and Tuesday in steps of five minutes
    values[[0, 3, 4, 288 + 285], 0, 0] = 1, 2, 100, 6
    found = damped.medians_by_slot(part(values, interval=300), TWO_KINDS)[0][:, 0]
    assert found[[0, 288]].tolist() == [2, 2]  # 00:00, 00:15, and 23:45 of Tuesday
    assert found[2] == 2  # of 1, 2 and 100, as 00:20 is near
    assert found[12] == 4  # nothing near: of everything


def test_the_share_is_fitted_on_medians_without_the_own_day():
    values = np.full((24 * 7, 2, 1), NAN)
    values[[0, 24, 48], 0, 0] = 1, 2, 9
    values[24 * 5, 0, 0] = 5  # the one Saturday
    without = damped.medians_by_slot(part(values), TWO_KINDS)[1]
    assert without[[0, 24, 48], 0].tolist() == [5.5, 5, 1.5]
    assert without[24 * 5, 0] == 2  # no other weekend day: all days but this one
    assert np.isnan(without[:, 1]).all()


@pytest.mark.parametrize("types", damped.DAY_TYPES)
def test_medians_are_numpys(types):
    """NumPy's own, of the steps that the definition names, with holes."""
    rng = np.random.default_rng(1)
    values = rng.normal(50, 20, (48 * 29, 3, 1))
    values[rng.random(values.shape) < 0.1] = NAN
    train, types = part(values, interval=1800), np.array(types)
    step = np.arange(len(values))
    day, slot = step // 48, step % 48
    found, without = damped.medians_by_slot(train, types)
    for t in step[::37]:
        near = (slot == slot[t]) & (types[day % 7] == types[day[t] % 7])
        expected = np.nanmedian(train.values[near, :, 0].astype(float), axis=0)
        assert found[day[t] % 7 * 48 + slot[t]] == pytest.approx(expected)
        others = train.values[near & (day != day[t]), :, 0].astype(float)
        assert without[t] == pytest.approx(np.nanmedian(others, axis=0))


def test_the_forecast_is_the_median_plus_the_share_of_the_last_residual():
    fitted = damped.Damped(damped.DAY_TYPES[0], np.full((168, 1), 10.0), np.array([[0.5], [0.25]]))
    window = Window(sequence_length=2, prediction_length=2)
    made = fitted.forecast(part(series(10, 14, 10, 8, 0, 0)), window)
    assert made[:, :, 0].tolist() == [[12, 11], [10, 10], [9, 9.5]]


def test_day_types_are_those_of_the_lower_validation_error():
    """Sundays are not as Saturdays: three kinds of days; where they are, and few, two."""
    day = np.arange(24 * 28) // 24 % 7
    window = Window(sequence_length=3, prediction_length=2)
    apart = np.where(day == 5, 50.0, np.where(day == 6, 10.0, 30.0)).reshape(-1, 1, 1)
    assert damped.fit(on(apart, apart), window).day_types == damped.DAY_TYPES[1]
    noise = np.random.default_rng(0).normal(0, 5, (24 * 28, 1, 1))
    alike = np.where(day >= 5, 10.0, 30.0).reshape(-1, 1, 1)
    assert damped.fit(on(alike + noise, alike), window).day_types == damped.DAY_TYPES[0]
