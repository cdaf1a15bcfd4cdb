import numpy as np
import pytest

from tests.records.made import preparation
from vdcast import params
from vdcast.data import profile
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.language import in_words
from vdcast.params.modes import ManyVDs, Modes
from vdcast.params.sections import Prepare, Window
from vdcast.prepare.amount import amount_of
from vdcast.prepare.split import prepare, split
from vdcast.prepare.usable import check_fits
from vdcast.prepare.words import describe


def with_settings(settings: Prepare, **changes) -> Prepare:
    return Prepare.model_validate(settings.model_dump() | changes)


def test_split_is_chronological_and_every_step_is_in_one_part(detectors, prepare_settings):
    parts = split(detectors, (0, 288, 384, 480))
    assert [len(part.timestamps) for part in parts.values()] == [288, 96, 96]
    np.testing.assert_array_equal(
        np.concatenate([part.timestamps for part in parts.values()]), detectors.timestamps
    )


def test_statistics_come_from_the_training_part_alone(detectors, prepare_settings):
    (prepared,), _ = prepare(detectors, prepare_settings)
    train = detectors.values[:288]
    np.testing.assert_allclose(prepared.mean, np.nanmean(train, axis=0), rtol=1e-5)
    np.testing.assert_allclose(prepared.std, np.nanstd(train, axis=0), rtol=1e-4)

    changed = detectors.values.copy()
    changed[288:] = 1e6
    other = Detectors(**{**vars(detectors), "values": changed})
    (same,), _ = prepare(other, prepare_settings)
    np.testing.assert_array_equal(same.mean, prepared.mean)
    np.testing.assert_array_equal(same.std, prepared.std)
    np.testing.assert_array_equal(same.profile, prepared.profile)
    np.testing.assert_array_equal(same.own_day_out, prepared.own_day_out)
    np.testing.assert_array_equal(prepared.profile, profile.of_part(prepared.parts["train"]))
    assert prepared.own_day_out.shape == train.shape


def test_what_is_dropped_is_named_with_its_reason(detectors, prepare_settings):
    values = detectors.values.copy()
    values[:288, 0, 0] = np.where(np.arange(288) % 4 == 0, values[:288, 0, 0], np.nan)  # 75 % missing
    values[:, 1, 0] = 7.0  # constant
    values[:, :, 1] = np.nan  # speed: a feature that nobody observed
    table = Detectors(**{**vars(detectors), "values": values})
    (prepared,), dropped = prepare(table, prepare_settings)
    assert prepared.parts["train"].vd_ids == ("VD-國",)
    assert prepared.parts["test"].features == ("volume",)
    reasons = {item.name: in_words(item.reason) for item in dropped}
    assert {item.name: item.kind for item in dropped} == {"VD-A": "vd", "VD-B": "vd", "speed": "feature"}
    assert "of volume missing, over 50%" in reasons["VD-A"]
    assert reasons["VD-B"] == "volume is constant: there is nothing to forecast"
    assert reasons["speed"] == "feature without any observation in the training part"
    report = describe([prepared], preparation(dropped=dropped, amount=amount_of([prepared.parts])))
    assert "- VD-B: volume is constant" in report and "| test | 4.0 |" in report


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (slice(72, 288), "feature of which every VD lacks 75.0% or more in the training part, over 50%"),
        (slice(288, 384), "feature without any observation in the validation part"),
    ],
)
def test_an_input_that_no_vd_could_use_is_dropped_before_vds_are_judged(
    detectors, prepare_settings, rows, reason
):
    """216 of 288 training steps are 75 %; a VD judged by that feature would go, and all of them with it."""
    values = detectors.values.copy()
    values[:, :, 1] = 50
    values[rows, :, 1] = np.nan
    values[:288, 0, 1] = np.nan if rows.start == 72 else values[:288, 0, 1]  # one of them lacks it altogether
    (prepared,), dropped = prepare(Detectors(**{**vars(detectors), "values": values}), prepare_settings)
    assert [(item.name, in_words(item.reason)) for item in dropped] == [("speed", reason)]
    assert prepared.parts["train"].features == ("volume",)
    assert prepared.parts["train"].vd_ids == detectors.vd_ids


def test_an_input_that_one_vd_could_use_drops_the_others(detectors, prepare_settings):
    values = detectors.values.copy()
    values[:288, 1:, 1] = np.nan
    (prepared,), dropped = prepare(Detectors(**{**vars(detectors), "values": values}), prepare_settings)
    assert prepared.parts["train"].vd_ids == ("VD-A",) and prepared.parts["train"].features[1] == "speed"
    assert {in_words(item.reason) for item in dropped} == {
        "100.0% of speed missing: there is nothing to learn from"
    }


def test_thresholds_look_at_the_training_part_only(detectors, prepare_settings):
    values = detectors.values.copy()
    values[288:, 0] = np.nan
    table = Detectors(**{**vars(detectors), "values": values})
    (prepared,), dropped = prepare(table, prepare_settings)
    assert "VD-A" in prepared.parts["train"].vd_ids and not dropped


def of_so_many(modes: Modes, num_vds: int) -> Modes:
    """Every mode of several VDs with ``num_vds``."""
    several = {name: mode for name, mode in modes if isinstance(mode, ManyVDs)}
    return modes.model_copy(
        update={name: mode.model_copy(update={"num_vds": num_vds}) for name, mode in several.items()}
    )


def test_a_vd_that_is_silent_in_a_later_part_is_refused_by_name(detectors, prepare_settings):
    from tests.params.test_load import SHIPPED

    shipped = params.load(SHIPPED)
    modes = of_so_many(shipped.modes, 3)
    settings = shipped.model_copy(update={"prepare": prepare_settings, "modes": modes})
    # VD-A is the target VD; another one may be silent in the test part, where the reports mark it
    for part, rows, v in (
        ("validation", slice(288, 384), 1),
        ("test", slice(384, None), 0),
        ("", slice(384, None), 1),
    ):
        values = detectors.values.copy()
        values[rows, v, 0] = np.nan
        (prepared,), _ = prepare(Detectors(**{**vars(detectors), "values": values}), prepare_settings)
        if not part:
            check_fits(prepared, settings)
            continue
        with pytest.raises(InputError, match=f"VD VD-{'AB'[v]} has no valid volume in the {part} part"):
            check_fits(prepared, settings)


def test_what_is_observed_only_where_no_window_forecasts_is_not_observed(detectors, prepare_settings):
    """The first 20 steps of a part are looked back at and never forecast; the 21st is enough."""
    from tests.params.test_load import SHIPPED

    shipped = params.load(SHIPPED)
    settings = shipped.model_copy(
        update={
            "prepare": prepare_settings,
            "modes": of_so_many(shipped.modes, 3),
            "window": Window(sequence_length=20, prediction_length=10),
        }
    )
    for observed in (20, 21):
        values = detectors.values.copy()
        values[288 + observed : 384, 0, 0] = np.nan
        (prepared,), _ = prepare(Detectors(**{**vars(detectors), "values": values}), prepare_settings)
        if observed == 21:
            check_fits(prepared, settings)
            continue
        with pytest.raises(
            InputError, match="VD-A has no valid volume in the validation part, past its first 1,200 min"
        ):
            check_fits(prepared, settings)


def test_a_vd_without_any_observation_is_dropped_whatever_the_threshold(detectors, prepare_settings):
    values = detectors.values.copy()
    values[:288, 1] = np.nan
    table = Detectors(**{**vars(detectors), "values": values})
    (prepared,), dropped = prepare(table, with_settings(prepare_settings, max_missing=1.0))
    assert prepared.parts["train"].vd_ids == ("VD-A", "VD-國")
    assert in_words(dropped[0].reason) == "100.0% of volume missing: there is nothing to learn from"
    assert np.isfinite(prepared.mean).all() and np.isfinite(prepared.std).all()


def test_a_vd_that_is_observed_on_one_day_alone_is_dropped(detectors, prepare_settings):
    """The fixture's training part begins at 06:00 in Taipei: its first local day has 18 hours."""
    values = detectors.values.copy()
    values[18:288, 1, 0] = np.nan
    table = Detectors(**{**vars(detectors), "values": values})
    (prepared,), dropped = prepare(table, with_settings(prepare_settings, max_missing=1.0))
    assert prepared.parts["train"].vd_ids == ("VD-A", "VD-國")
    assert in_words(dropped[0].reason).startswith(
        "volume observed on one day of the training part: no other day says"
    )
    values[18:42, 1, 0] = 9
    (prepared,), dropped = prepare(table, with_settings(prepare_settings, max_missing=1.0))
    assert not dropped and np.isfinite(prepared.profile).all() and np.isfinite(prepared.own_day_out).all()


def test_a_training_part_of_one_day_is_refused_whatever_the_thresholds(detectors, prepare_settings):
    day = detectors.rows(0, 30)  # from 6 o'clock: the training part ends at midnight
    with pytest.raises(
        InputError,
        match="lies in one day, .*; give more days: .* 14 of training, 7 of validation and 7 of test",
    ):
        prepare(day, with_settings(prepare_settings, min_mean=0.0))


def test_min_mean_drops_quiet_detectors_and_none_left_is_an_error(detectors, prepare_settings):
    (prepared,), dropped = prepare(detectors, with_settings(prepare_settings, min_mean=30.0))
    assert prepared.parts["train"].vd_ids == ("VD-A", "VD-B")
    assert [item.name for item in dropped] == ["VD-國"]
    with pytest.raises(
        InputError, match="no VD of a fixture passes prepare.max_missing 0.5 and prepare.min_mean 1000"
    ):
        prepare(detectors, with_settings(prepare_settings, min_mean=1000.0))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"vds": ["VD-A", "VD-Z"]},
            "prepare.vds names 'VD-Z', which the data lacks; it has: VD-A, VD-B, VD-國",
        ),
        ({"features": ["volume", "occupancy"]}, "prepare.features names 'occupancy'"),
    ],
)
def test_a_name_that_the_data_lacks(detectors, prepare_settings, change, sentence):
    with pytest.raises(InputError, match=sentence):
        prepare(detectors, with_settings(prepare_settings, **change))


def test_a_target_without_observations_is_an_error(detectors, prepare_settings):
    values = detectors.values.copy()
    values[:288, :, 0] = np.nan
    table = Detectors(**{**vars(detectors), "values": values})
    with pytest.raises(InputError, match="target 'volume' has no valid observation in the training part"):
        prepare(table, prepare_settings)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"num_vds": 4}, r"modes.multi_vd.num_vds = 4 needs 4 VDs, but 3 are left of the data"),
        # the first part that is too short is named; validation and test are equally long here
        (
            {"sequence_length": 90},
            "validation part 20% = 5,760 min, too short for one window with a lookback of 5,400 min",
        ),
    ],
)
def test_settings_that_the_data_cannot_serve(detectors, prepare_settings, changes, sentence):
    from tests.params.test_load import SHIPPED

    shipped = params.load(SHIPPED)
    settings = shipped.model_copy(
        update={
            "prepare": prepare_settings,
            "modes": of_so_many(shipped.modes, changes.get("num_vds", 3)),
            "window": Window(sequence_length=changes.get("sequence_length", 20), prediction_length=10),
        }
    )
    (prepared,), _ = prepare(detectors, prepare_settings)
    with pytest.raises(InputError, match=sentence):
        check_fits(prepared, settings)
