from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.train.small import task_of
from vdcast.errors import InputError
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import Windows
from vdcast.params.modes import ManyVDs, Modes, OneVD, Social
from vdcast.params.sections import Window
from vdcast.prepare.split import prepare


@pytest.fixture
def prepared(detectors, prepare_settings):
    settings = prepare_settings.model_copy(update={"targets": ["speed", "volume"]})
    return prepare(detectors, settings)[0][0]


@pytest.fixture
def settings():
    modes = Modes(
        single_vd=OneVD(target_vd_index=1),
        multi_vd=ManyVDs(num_vds=3),
        independent_multi_vd=ManyVDs(num_vds=2),
        global_multi_vd=ManyVDs(num_vds=3),
        social=Social(num_vds=3, neighbours=1, radius=2000, weights="gaussian", direction="any"),
    )
    return SimpleNamespace(modes=modes, window=Window(sequence_length=6, prediction_length=3))


@pytest.mark.parametrize(
    "mode, v, copies",
    [
        ("single_vd", [1], [[0]]),
        ("multi_vd", [0, 1, 2], [[0]]),
        ("independent_multi_vd", [0, 1], [[0], [1]]),
        ("global_multi_vd", [0, 1, 2], [[0, 1, 2]]),
    ],
)
def test_a_mode_says_which_detectors_a_run_sees_and_who_shares_weights(prepared, settings, mode, v, copies):
    task = Task.of(prepared, settings, mode)
    assert task.vd_ids == tuple(prepared.parts["train"].vd_ids[i] for i in v)
    assert (task.targets, task.units) == (("speed", "volume"), ("km/h", "veh/h"))
    assert (task.length, task.horizon, task.interval, task.time_zone) == (6, 3, 3600, "Asia/Taipei")
    np.testing.assert_array_equal(task.mean, prepared.mean[v])
    np.testing.assert_array_equal(task.profile, prepared.profile[:, v])
    np.testing.assert_array_equal(task.target_std, prepared.std[v][:, [1, 0]])  # speed is the second feature
    windows = Windows(task, prepared.parts["validation"])
    assert task.copies == copies and task.groups == windows.values.shape[1] == sum(map(len, copies))
    assert windows.sizes.groups == len(copies[0])
    assert len(windows) == len(prepared.parts["validation"].timestamps) - 8


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"time_zone": "UTC"}, "trained on the time zone Asia/Taipei; a fixture has UTC"),
        (
            {"features": ("volume", "occupancy")},
            "trained on 'speed', which a fixture lacks; it has: volume, occupancy",
        ),
        ({"units": ("veh/h", "mph")}, "trained on speed in 'km/h', which a fixture has in 'mph'"),
        ({"interval": 1800}, "trained on an interval of 60 min; a fixture has 30 min"),
    ],
)
def test_a_table_of_another_kind_is_refused(detectors, prepare_settings, change, sentence):
    task = task_of(detectors, prepare_settings, mode="multi_vd")
    task.check_fits(detectors, "a")
    if "interval" in change:
        change = change | {"timestamps": detectors.timestamps // 2}
    with pytest.raises(InputError, match=f"run a was {sentence}"):
        task.check_fits(replace(detectors, **change), "a")


def test_only_social_asks_where_detectors_lie(prepared, settings):
    for mode in ("multi_vd", "global_multi_vd"):
        assert Task.of(prepared, settings, mode).neighbours is None
    with pytest.raises(InputError, match="mode social needs coordinates"):
        Task.of(prepared, settings, "social")
    info = {"lon": np.array([121.0, 121.001, 121.1]), "lat": np.full(3, 25.0)}
    train = replace(prepared.parts["train"], info=info)
    task = Task.of(replace(prepared, parts={"train": train}), settings, "social")
    assert task.neighbours.index[:, 0, 0].tolist() == [1, 0, 2] and task.copies == [[0, 1, 2]]
    settings.modes = settings.modes.model_copy(
        update={"social": settings.modes.social.model_copy(update={"neighbours": 0})}
    )
    assert Task.of(prepared, settings, "social").neighbours is None, "it is global_multi_vd then"
