"""Stacks side by side in processes are what they are one after another."""

import torch

from tests.train.small import data, run_of, same
from vdcast.data import store
from vdcast.train.workers import fit


def test_processes_side_by_side_equal_one_after_another(network, detectors, prepare_settings):
    run = run_of(network, "independent_multi_vd", epochs=2, seeds=[0, 1, 2])
    common = data(detectors, prepare_settings, "independent_multi_vd")
    assert torch.get_num_threads() == 1
    serial = fit(run, [common])
    torch.set_num_threads(2)
    try:
        parallel = fit(run, [common])
        alone = fit(run_of(network, epochs=2), [data(detectors, prepare_settings, "multi_vd")])
    finally:
        torch.set_num_threads(1)
    assert same(serial.weights, parallel.weights)
    assert torch.equal(serial.figures, parallel.figures) and serial.training == parallel.training == [9, 9]
    again = fit(run_of(network, epochs=2), [data(detectors, prepare_settings, "multi_vd")])
    assert same(alone.weights, again.weights), "a single stack must not see how many threads there are"


def test_processes_share_a_mapped_table(tmp_path, detectors, prepare_settings, small_lstm, monkeypatch):
    run = run_of(small_lstm, "independent_multi_vd", epochs=1, seeds=[0, 1])
    in_memory = fit(run, [data(detectors, prepare_settings, "independent_multi_vd")])
    store.write(tmp_path / "t.h5", detectors)
    monkeypatch.setattr(store, "memory_bytes", lambda: 1000)
    mapped = data(store.read(tmp_path / "t.h5"), prepare_settings, "independent_multi_vd")
    assert mapped.train.mapped is not None
    torch.set_num_threads(2)
    try:
        assert same(fit(run, [mapped]).weights, in_memory.weights)
    finally:
        torch.set_num_threads(1)
