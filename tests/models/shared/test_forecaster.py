import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import arrays
from hypothesis.strategies import floats

from tests.models.shared.test_windows import task
from tests.train.small import same
from vdcast.data import profile
from vdcast.models.shared.dropout import seed_dropout
from vdcast.models.shared.forecaster import around, build, build_seeded
from vdcast.models.shared.windows import Sizes, Windows
from vdcast.params.modes import Sharing

SIZES = Sizes(1, 2, 1, 13, length=6, horizon=3)


@pytest.fixture(params=["small_lstm", "small_xlstm"])
def network(request):
    return request.getfixturevalue(request.param)


def batch_of(detectors, sharing: Sharing):
    """Windows 0, 7 and 30 of every group, volume three steps ahead from six; as many copies as see them."""
    scale = dict(std=np.full((3, 2), 50.0), profile=profile.of_part(detectors))
    of = task(detectors, sharing, **scale, length=6, horizon=3)
    w = Windows(of, detectors)
    return w.sizes, w.batch(w.samples(torch.tensor(of.copies), torch.tensor([0, 7, 30])))


def test_it_starts_from_profile_and_autoregression(network, detectors):
    sizes, batch = batch_of(detectors, Sharing.JOINT)
    model = build(network, sizes, copies=1).eval()
    assert torch.equal(model(batch)[..., 0], batch.base)
    with torch.no_grad():
        model.autoregression.bias += 1
    assert torch.equal(model(batch)[..., 0], batch.base + 1)


def test_it_forecasts_every_horizon_and_channel(network, detectors):
    for sharing, shape in (
        (Sharing.JOINT, (1, 3, 3, 3)),
        (Sharing.APART, (3, 3, 3, 1)),
        (Sharing.SHARED, (1, 9, 3, 1)),
    ):
        sizes, batch = batch_of(detectors, sharing)
        model = build(network, sizes, copies=shape[0]).eval()
        assert model(batch).shape == (*batch.y.shape, 1) == (*shape, 1)


def test_the_encoder_reads_no_further_back_than_its_own_lookback(network, detectors):
    sizes, batch = batch_of(detectors, Sharing.JOINT)
    x = batch.x.clone()
    x[:, :, :4] += 1  # but for the last two of six steps
    for lookback, reads in ((None, True), (2, False), (3, True)):
        model = build(network.model_copy(update={"lookback": lookback}), sizes, copies=1).eval()
        torch.nn.init.normal_(model.out)
        assert torch.equal(model(replace(batch, x=x)), model(batch)) is not reads


def test_copies_of_one_seed_start_alike_and_of_two_seeds_do_not(network):
    model = build_seeded(network, SIZES, seeds=[5, 5, 6])
    for name, value in model.state_dict().items():
        assert torch.equal(value[0], value[1]), name
    assert not torch.equal(model.project.weight[0], model.project.weight[2])


def test_a_copy_has_the_weights_that_it_would_have_alone(network):
    together = build_seeded(network, SIZES, seeds=[5, 6]).state_dict()
    alone = build_seeded(network, SIZES, seeds=[6]).state_dict()
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


@pytest.mark.parametrize("sharing", Sharing)
def test_each_channel_has_its_own_levels_around_its_median(network, detectors, sharing):
    sizes, batch = batch_of(detectors, sharing)
    seeds = [0] * len(batch.x)
    plain, fan = (build_seeded(network, sizes, seeds=seeds, levels=levels).eval() for levels in (1, 5))
    found = fan(batch)
    assert found.shape == (*batch.y.shape, 5)
    assert torch.equal(found[..., 2:3], plain(batch))
    assert (found.diff(dim=-1) > 0).all()


def test_independent_copies_see_their_own_detector_only(network, detectors):
    sizes, batch = batch_of(detectors, Sharing.APART)
    model = build(network, sizes, copies=3).eval()
    torch.nn.init.normal_(model.out)  # what the encoder adds starts from zero
    torch.nn.init.normal_(model.autoregression.weight)
    before = model(batch)
    batch.x[1] += 10.0
    batch.recent[1] += 10.0
    after = model(batch)
    assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(before[1], after[1])


def test_an_embedding_is_what_tells_detectors_apart(network, detectors):
    sizes, batch = batch_of(detectors, Sharing.SHARED)
    model = build(network, sizes, copies=1).eval()
    torch.nn.init.normal_(model.out)  # what the encoder adds starts from zero
    assert batch.group.tolist() == [[0, 1, 2] * 3]
    before = model(batch)
    other = replace(batch, group=torch.ones_like(batch.group))
    assert torch.equal(model(other), before), "all embeddings start alike"
    with torch.no_grad():
        model.embedding.weight[:, 1] += 1
    after = model(batch)
    moved = [not torch.equal(after[0, b], before[0, b]) for b in range(9)]
    assert moved == [False, True, False] * 3
    torch.testing.assert_close(model(other)[0, 1::3], after[0, 1::3])


def test_jointly_every_detector_uses_every_other(network, detectors):
    sizes, batch = batch_of(detectors, Sharing.JOINT)
    torch.manual_seed(0)
    model = build(network, sizes, copies=1).eval()
    torch.nn.init.normal_(model.out)  # what the encoder adds starts from zero
    batch.x.requires_grad_()
    for q in range(3):
        (gradient,) = torch.autograd.grad(model(batch)[..., q, 0].sum(), batch.x, retain_graph=True)
        per_channel = gradient.abs().sum(dim=(0, 1, 2))
        assert (per_channel > 0).all(), f"output {q} ignores an input"


def test_dropout_is_off_when_forecasting(network, detectors):
    sizes, batch = batch_of(detectors, Sharing.JOINT)
    model = build_seeded(network, sizes, seeds=[0])
    torch.nn.init.normal_(model.out)  # what the encoder adds starts from zero
    seed_dropout(model, [0])
    assert torch.equal(model.eval()(batch), model(batch))
    assert not torch.equal(model.train()(batch), model(batch))


def test_quantiles_leave_the_rest_of_the_network_as_it_starts(network):
    plain, fan = (build_seeded(network, SIZES, seeds=[3], levels=levels) for levels in (1, 3))
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
    sizes, batch = batch_of(detectors, Sharing.JOINT)
    network = SimpleNamespace(model="third", width=8, dropout=0.0, lookback=None)
    model = build(network, sizes, copies=1)
    assert model(batch).shape == (*batch.y.shape, 1)
