import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vdcast.data import store
from vdcast.data.detectors import Detectors
from vdcast.models.shared import windows as windowing
from vdcast.models.shared.task import Task
from vdcast.models.shared.windows import AT_ONCE, Windows, ungrouped
from vdcast.params.modes import Sharing
from vdcast.prepare.split import prepare


def table(values: np.ndarray) -> Detectors:
    T, V, F = values.shape
    return Detectors(
        values=values.astype(np.float32),
        timestamps=900 * np.arange(T),
        vd_ids=tuple(f"v{i}" for i in range(V)),
        features=tuple(f"f{i}" for i in range(F)),
        units=("u",) * F,
        interval=900,
        time_zone="UTC",
        source="test",
    )


def task(part: Detectors, sharing: Sharing, **changes) -> Task:
    """Of all of ``part``: its first feature, two steps ahead from three; unscaled, with a profile of zeros."""
    shape = part.values.shape[1:]
    profile = np.zeros((7 * 86_400 // part.interval, *shape), np.float32)
    alike = dict(vd_ids=part.vd_ids, features=part.features, targets=part.features[:1], units=part.units[:1])
    alike |= dict(feature_units=part.units)
    scale = dict(mean=np.zeros(shape), std=np.ones(shape), profile=profile)
    time = dict(length=3, horizon=2, interval=part.interval, time_zone=part.time_zone)
    return Task(**alike | scale | time | changes, sharing=sharing)


def windows(
    values: np.ndarray, sharing: Sharing, length: int = 3, horizon: int = 2, targets=("f0",), usual=None
) -> Windows:
    """With a profile of zeros, unless ``usual`` (T, V, F) is given; residuals are values then."""
    part = table(values)
    of = task(part, sharing, length=length, horizon=horizon, targets=targets)
    return Windows(of, part, own_day_out=usual)


def test_a_window_by_hand_with_a_gap():
    values = np.arange(7.0).reshape(7, 1, 1)
    values[2] = np.nan
    w = windows(values, Sharing.JOINT)
    assert len(w) == 3 and w.sizes == (1, 1, 1, 13, 3, 2, 1, None)
    batch = w.batch(torch.tensor([[0, 2]]))
    assert batch.x[0, 0].tolist() == [[0, 1], [1, 1], [0, 0]]  # value, then whether it was observed
    assert batch.x[0, 1].tolist() == [[0, 0], [3, 1], [4, 1]]
    assert batch.recent[0, :, :, 0].tolist() == [[0, 1, 1], [0, 3, 4]]  # a hole is what was before it
    assert batch.y[0, :, :, 0].tolist() == [[3, 4], [5, 6]]
    assert batch.valid.all()


def test_a_lookback_without_an_observation_leaves_the_profile():
    values = np.arange(8.0).reshape(8, 1, 1)
    values[1:4] = np.nan  # steps 1, 2, 3 are the whole lookback of window 1
    w = windows(values, Sharing.JOINT, usual=np.full((8, 1, 1), 5, np.float32))
    batch = w.batch(torch.tensor([[1]]))
    assert not batch.recent.any() and not batch.x.any() and (batch.usual == 5).all()


def test_residuals_and_profile_by_hand():
    """Two detectors; mean 2 and 4, std 2 and 4; the second is 8 and its profile 4, 12, 4, 12, ..."""
    usual = np.stack([np.full(6, 6.0), np.array([4.0, 12] * 3)], axis=1)[:, :, None].astype("f4")
    values = np.stack([np.arange(6.0), np.full(6, 8.0)], axis=1)[:, :, None]
    scale = dict(mean=np.array([[2.0], [4.0]]), std=np.array([[2.0], [4.0]]))
    part = table(values)
    w = Windows(task(part, Sharing.JOINT, **scale), part, own_day_out=usual)
    batch = w.batch(torch.tensor([[1]]))
    assert batch.recent[0, 0].tolist() == [[-2.5, -1], [-2, 1], [-1.5, -1]]
    assert batch.x[0, 0, :, :2].tolist() == batch.recent[0, 0].tolist() and (batch.x[..., 2:] == 1).all()
    assert batch.usual[0, 0].tolist() == [[2, 2], [2, 0], [2, 2], [2, 0], [2, 2]]
    assert batch.base[0, 0].tolist() == [[2, 0], [2, 2]]
    assert batch.y[0, 0].tolist() == [[1, 1], [1.5, 1]]  # (4 - 2) / 2, (8 - 4) / 4, ...


def test_the_profile_is_taken_by_slot_of_the_week_where_no_own_day_is_left_out():
    values = np.zeros((6, 1, 1))
    slot = np.arange(7 * 96, dtype=np.float32)[:, None, None]
    part = table(values)
    part = Detectors(**{**vars(part), "timestamps": part.timestamps + 3 * 86_400})  # 1970-01-04, a Sunday
    w = Windows(task(part, Sharing.JOINT, profile=slot), part)
    batch = w.batch(torch.tensor([[1]]))
    assert batch.usual.flatten().tolist() == [6 * 96 + step for step in (1, 2, 3, 4, 5)]
    assert batch.base.flatten().tolist() == [6 * 96 + 4, 6 * 96 + 5]


@given(
    values=hnp.arrays(np.float32, st.tuples(st.integers(5, 12), st.integers(1, 3), st.integers(1, 2)),
                      elements=st.one_of(st.floats(-5, 5, width=32), st.just(np.nan))),
    length=st.integers(1, 3),
    horizon=st.integers(1, 2),
    sharing=st.sampled_from([Sharing.JOINT, Sharing.APART]),
)  # fmt: skip
def test_every_window_equals_the_obvious_slices(values, length, horizon, sharing):
    T, V, F = values.shape
    w = windows(values, sharing, length, horizon)
    assert len(w) == T - length - horizon + 1
    sets = [list(range(V))] if sharing is Sharing.JOINT else [[v] for v in range(V)]
    batch = w.batch(w.samples(torch.tensor(sharing.copies(V)), torch.arange(len(w))))
    for g, vds in enumerate(sets):
        for s in range(len(w)):
            past = values[s : s + length][:, vds].reshape(length, -1)
            seen = np.isfinite(past)
            np.testing.assert_array_equal(
                batch.x[g, s], np.concatenate([np.where(seen, past, 0), seen], axis=1)
            )
            future = values[s + length : s + length + horizon][:, vds, :1].reshape(horizon, -1)
            np.testing.assert_array_equal(batch.valid[g, s], np.isfinite(future))
            np.testing.assert_array_equal(batch.y[g, s], np.nan_to_num(future))
            for c, series in enumerate(past.T):
                known = [0.0]
                for x in series:
                    known.append(x if np.isfinite(x) else known[-1])
                assert batch.recent[g, s, :, c].tolist() == known[1:]
    y = torch.where(batch.valid, batch.y, torch.nan)  # (G, W, H, Q)
    back = ungrouped(y, V)
    expected = np.stack([values[s + length : s + length + horizon, :, :1] for s in range(len(w))])
    np.testing.assert_array_equal(back, expected)


def test_a_copy_that_sees_every_detector_is_given_what_copies_of_their_own_are():
    """Three detectors, window after window: sample 7 is window 2 of detector 1."""
    values = np.random.default_rng(0).normal(size=(9, 3, 2))
    values[2, 1] = np.nan
    together, apart = (windows(values, sharing) for sharing in (Sharing.SHARED, Sharing.APART))
    assert together.sizes == apart.sizes._replace(groups=3)
    sample = together.samples(torch.tensor([[0, 1, 2]]), torch.arange(len(together)))
    assert sample.tolist() == [list(range(15))]
    found, (expected,) = together.batch(sample), apart.in_order(torch.tensor([[0], [1], [2]]))
    assert found.group[0].tolist() == [0, 1, 2] * 5
    for name, tensor in vars(expected).items():
        assert torch.equal(vars(found)[name][0], tensor.transpose(0, 1).flatten(0, 1)), name


def test_ungrouped_keeps_leading_axes_and_the_order_of_targets():
    y = torch.arange(2 * 1 * 4 * 3 * 6).reshape(2, 1, 4, 3, 6)  # (S, G = 1, W, H, V * K)
    assert torch.equal(ungrouped(y, 3), y[:, 0].reshape(2, 4, 3, 3, 2))
    y = torch.arange(2 * 3 * 4 * 5 * 2).reshape(2, 3, 4, 5, 2)  # (S, G = V, W, H, K)
    assert torch.equal(ungrouped(y, 3), y.permute(0, 2, 3, 1, 4))


def test_no_window_crosses_a_border_of_the_split(detectors, prepare_settings):
    (prepared,), _ = prepare(detectors, prepare_settings)
    for part in prepared.parts.values():
        scale = dict(mean=prepared.mean, std=prepared.std, profile=prepared.profile)
        w = Windows(task(part, Sharing.JOINT, **scale, length=6, horizon=4), part)
        last = w.batch(torch.tensor([[len(w) - 1]]))
        expected = (part.values[-4:, :, 0] - prepared.mean[:, 0]) / prepared.std[:, 0]
        np.testing.assert_allclose(last.y[0, 0], np.nan_to_num(expected), rtol=1e-5, atol=1e-6)
        assert len(w) == len(part.timestamps) - 9


@pytest.mark.parametrize("sharing", Sharing)
def test_windows_of_a_mapped_table_are_those_of_a_table_in_memory(tmp_path, detectors, sharing, monkeypatch):
    V, F = len(detectors.vd_ids), len(detectors.features)
    scale = dict(mean=np.arange(V * F).reshape(V, F), std=np.full((V, F), 3.0))
    of = task(detectors, sharing, **scale, targets=("speed",), length=5)
    own_day_out = Detectors(**{**vars(detectors), "values": np.nan_to_num(detectors.values)})
    expected = Windows(of, detectors, own_day_out=own_day_out.values)
    store.write(tmp_path / "t.h5", detectors)
    store.write(tmp_path / "o.h5", own_day_out)
    monkeypatch.setattr(store, "memory_bytes", lambda: 1000)
    mapped = Windows(of, store.read(tmp_path / "t.h5"), own_day_out=store.read(tmp_path / "o.h5").values)
    elsewhere = pickle.loads(pickle.dumps(mapped))
    assert mapped.mapped.keys() == elsewhere.mapped.keys() == {"values", "usual"}
    sample = expected.samples(torch.tensor(of.copies), torch.arange(len(expected)))
    for found in (mapped, elsewhere):
        for name, value in vars(expected.batch(sample)).items():
            assert torch.equal(getattr(found.batch(sample), name), value), name


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=9),
    at_once=st.integers(1, 12),
    largest=st.integers(1, 100),
    copies=st.integers(1, 2),
)
def test_batches_assembled_together_are_those_assembled_alone(sizes, at_once, largest, copies):
    values = np.random.default_rng(0).normal(size=(40, 2, 2))
    values[::7] = np.nan
    w = windows(values, Sharing.APART)
    samples = [torch.randint(2 * len(w), (copies, size)) for size in sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(AT_ONCE, "cpu", at_once)
        patch.setattr(windowing, "LARGEST", largest)
        together = list(w.batches(samples))
    for found, expected in zip(together, map(w.batch, samples), strict=True):
        for name, tensor in vars(expected).items():
            assert torch.equal(vars(found)[name], tensor), name
