import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import floats

from tests.train.small import same
from vdcast.data import profile
from vdcast.models.shared.dropout import seed_dropout
from vdcast.models.shared.forecaster import around, build, build_seeded
from vdcast.models.shared.windows import Channels, Windows

SHAPE = dict(channels=Channels(1, 2, 1, 13), length=6, horizon=3)


@pytest.fixture(params=["small_lstm", "small_xlstm"])
def network(request):
    return request.getfixturevalue(request.param)


def batch_of(detectors, joint: bool):
    w = Windows(
        detectors,
        mean=np.zeros((3, 2)),
        std=np.full((3, 2), 50.0),
        usual=profile.of_part(detectors),
        targets=("volume",),
        length=6,
        horizon=3,
        joint=joint,
    )
    group = torch.arange(w.groups)
    return w, w.batch(group, torch.tensor([[0, 7, 30]]).expand(w.groups, -1))


def test_it_starts_from_profile_and_autoregression(network, detectors):
    w, batch = batch_of(detectors, joint=True)
    model = build(network, copies=1, channels=w.channels, length=6, horizon=3).eval()
    assert torch.equal(model(batch)[..., 0], batch.base)
    with torch.no_grad():
        model.autoregression.bias += 1
    assert torch.equal(model(batch)[..., 0], batch.base + 1)


def test_it_forecasts_every_horizon_and_channel(network, detectors):
    for joint in (True, False):
        w, batch = batch_of(detectors, joint)
        model = build(network, copies=w.groups, channels=w.channels, length=6, horizon=3).eval()
        assert model(batch).shape == (*batch.y.shape, 1) == (w.groups, 3, 3, 3 // w.groups, 1)


def test_copies_of_one_seed_start_alike_and_of_two_seeds_do_not(network):
    model = build_seeded(network, seeds=[5, 5, 6], **SHAPE)
    for name, value in model.state_dict().items():
        assert torch.equal(value[0], value[1]), name
    assert not torch.equal(model.project.weight[0], model.project.weight[2])


def test_a_copy_has_the_weights_that_it_would_have_alone(network):
    together = build_seeded(network, seeds=[5, 6], **SHAPE).state_dict()
    alone = build_seeded(network, seeds=[6], **SHAPE).state_dict()
    for name, value in alone.items():
        assert torch.equal(together[name][1:], value), name


@given(arrays(np.float32, (4, 7), elements=floats(-1e4, 1e4, width=32)))
def test_levels_never_cross_and_hold_the_median(numbers):
    median, steps = torch.from_numpy(numbers[:, 0]), torch.from_numpy(numbers[:, 1:])
    levels = around(median, steps)
    assert levels.shape == (4, 7)
    assert (levels.diff(dim=-1) >= 0).all()
    assert torch.equal(levels[:, 3], median)


def test_levels_by_hand():
    steps = torch.log(torch.expm1(torch.tensor([1.0, 2.0, 3.0, 4.0])))  # softplus gives 1, 2, 3, 4
    found = around(torch.tensor(10.0), steps)
    assert found.tolist() == pytest.approx([7, 9, 10, 13, 17])


@pytest.mark.parametrize("joint", [True, False])
def test_each_channel_has_its_own_levels_around_its_median(network, detectors, joint):
    w, batch = batch_of(detectors, joint)
    shape = dict(seeds=[0] * w.groups, channels=w.channels, length=6, horizon=3)
    plain, fan = build_seeded(network, **shape).eval(), build_seeded(network, **shape, levels=5).eval()
    found = fan(batch)
    assert found.shape == (*batch.y.shape, 5)
    assert torch.equal(found[..., 2:3], plain(batch))
    assert (found.diff(dim=-1) > 0).all()


def test_independent_copies_see_their_own_detector_only(network, detectors):
    w, batch = batch_of(detectors, joint=False)
    model = build(network, copies=3, channels=w.channels, length=6, horizon=3).eval()
    torch.nn.init.normal_(model.out)  # what the encoder adds starts from zero
    torch.nn.init.normal_(model.autoregression.weight)
    before = model(batch)
    batch.x[1] += 10.0
    batch.recent[1] += 10.0
    after = model(batch)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])


def test_jointly_every_detector_uses_every_other(network, detectors):
    w, batch = batch_of(detectors, joint=True)
    torch.manual_seed(0)
    model = build(network, copies=1, channels=w.channels, length=6, horizon=3).eval()
    torch.nn.init.normal_(model.out)  # what the encoder adds starts from zero
    batch.x.requires_grad_()
    for q in range(3):
        (gradient,) = torch.autograd.grad(model(batch)[..., q, 0].sum(), batch.x, retain_graph=True)
        per_channel = gradient.abs().sum(dim=(0, 1, 2))
        assert (per_channel > 0).all(), f"output {q} ignores an input"


def test_dropout_is_off_when_forecasting(network, detectors):
    w, batch = batch_of(detectors, joint=True)
    model = build_seeded(network, seeds=[0], channels=w.channels, length=6, horizon=3)
    torch.nn.init.normal_(model.out)  # what the encoder adds starts from zero
    seed_dropout(model, [0])
    assert torch.equal(model.eval()(batch), model(batch))
    assert not torch.equal(model.train()(batch), model(batch))


def test_quantiles_leave_the_rest_of_the_network_as_it_starts(network):
    shape = dict(seeds=[3], **SHAPE)
    plain, fan = build_seeded(network, **shape), build_seeded(network, **shape, levels=3)
    assert set(fan.state_dict()) - set(plain.state_dict()) == {"spread.weight", "spread.bias"}
    assert same({name: fan.state_dict()[name] for name in plain.state_dict()}, plain.state_dict())


def test_a_third_model_is_a_package_and_its_settings(monkeypatch, detectors):
    """The forecaster asks the settings alone, and takes the encoder from the package that they name."""

    class Identity(torch.nn.Module):
        def forward(self, x, last_only=False):
            return x[:, :, -1:] if last_only else x

    third = SimpleNamespace(encoder=lambda network, copies: Identity())
    monkeypatch.setitem(sys.modules, "vdcast.models.third.encoder", third)
    monkeypatch.setitem(sys.modules, "vdcast.models.third", SimpleNamespace(encoder=third))
    w, batch = batch_of(detectors, joint=True)
    network = SimpleNamespace(model="third", width=8, dropout=0.0)
    model = build(network, copies=1, channels=w.channels, length=6, horizon=3)
    assert model(batch).shape == (*batch.y.shape, 1)
