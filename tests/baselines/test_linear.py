import numpy as np
import pytest

from tests.baselines.test_damped import on, part
from vdcast.baselines import linear
from vdcast.params.sections import Window

NAN = np.nan
WINDOW = Window(sequence_length=6, prediction_length=2)


def autoregressive(weights, steps: int, noise: float = 1.0) -> np.ndarray:
    """(steps,) around 0."""
    rng = np.random.default_rng(0)
    values = list(rng.normal(size=len(weights)))
    for _ in range(steps - len(weights)):
        values.append(np.dot(weights, values[: -len(weights) - 1 : -1]) + noise * rng.normal())
    return np.array(values)


def pairs(values: np.ndarray, P: int) -> tuple[np.ndarray, np.ndarray]:
    """The last P values of each step, newest first, and the next one."""
    lags = np.stack([values[P - 1 - p : len(values) - 1 - p] for p in range(P)], axis=1)
    return lags, values[P:]


@pytest.mark.parametrize("least_squares", [False, True])
def test_without_noise_the_weights_are_those_of_numpy(least_squares):
    lags = np.random.default_rng(1).normal(size=(300, 2))
    after = lags @ [0.6, 0.3] + 0.2
    exact = np.linalg.lstsq(np.c_[lags, np.ones(300)], after)[0]
    weights, constant = linear.regression(lags, after, 1e-8, least_squares)
    np.testing.assert_allclose([*weights, constant], exact, atol=1e-4)


def test_outliers_do_not_move_it():
    lags, after = pairs(autoregressive([0.6, 0.3], 2000), 2)
    exact = np.linalg.lstsq(lags, after)[0]
    after[::10] += 20
    weights, constant = linear.regression(lags, after, 1e-6, least_squares=False)
    np.testing.assert_allclose(weights, exact, atol=0.03)
    _, moved = linear.regression(lags, after, 1e-6, least_squares=True)
    assert abs(constant) < 0.3 < 1.5 < moved


def test_too_few_observations_leave_the_profile_alone():
    after = np.where(np.arange(100) < 2 * linear.FEWEST - 1, 1.0, NAN)
    weights, constant = linear.regression(np.ones((100, 2)), after, 1e-4, least_squares=False)
    assert weights.tolist() == [0, 0] and constant == 0


def test_the_forecast_by_hand():
    """A profile of 10; the residuals are 0, 4, 0, -2, -10 and one in a hole, -10 faded to -9."""
    fitted = linear.Linear(
        profile=np.full((168, 1), 10.0),
        weights=np.array([[[0.5, 0.25]], [[0.2, 0.0]]]),
        constant=np.ones((2, 1)),
        penalty=0,
    )
    values = np.array([10, 14, 10, 8, 0, NAN, 5, 5]).reshape(-1, 1, 1)
    made = fitted.forecast(part(values), Window(sequence_length=2, prediction_length=2))[:, :, 0]
    np.testing.assert_allclose(made[0], [11 + 0.5 * 4, 11 + 0.2 * 4])
    np.testing.assert_allclose(made[4], [11 + 0.5 * -9 + 0.25 * -10, 11 + 0.2 * -9])


def test_it_finds_the_weights_of_residuals_around_a_daily_rhythm():
    rhythm = 50 + 20 * np.sin(2 * np.pi * np.arange(24 * 60) / 24)
    values = (rhythm + autoregressive([0.8], 24 * 60)).reshape(-1, 1, 1)
    fitted = linear.fit(on(values[: 24 * 42], values[24 * 42 :]), WINDOW)
    assert fitted.weights[:, 0, 0] == pytest.approx([0.8, 0.64], abs=0.15)
    assert np.abs(fitted.weights[:, 0, 1:]).max() < 0.15


def test_beyond_so_many_regressions_all_are_by_least_squares(monkeypatch):
    values = (50 + autoregressive([0.8], 24 * 20)).reshape(-1, 1, 1)
    monkeypatch.setattr(linear, "FITS", 1)
    monkeypatch.setattr(linear, "HuberRegressor", None)
    assert np.isfinite(linear.fit(on(values, values), WINDOW).weights).all()
