from tests.train.small import run_of
from vdcast.train import copies
from vdcast.train.copies import stacks_of


def test_stacks_of_a_cpu_hold_one_seed_and_those_of_a_gpu_all_that_fit(small_lstm, monkeypatch):
    monkeypatch.setattr(copies, "STACK_ON_CPU", 3)
    monkeypatch.setattr(copies, "STACK_ON_GPU", 8)
    run = run_of(small_lstm, "independent_multi_vd", seeds=[4, 9])
    for device, groups in (
        ("cpu", [[0, 1, 2], [3, 4], [0, 1, 2], [3, 4]]),
        ("cuda", [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]),
    ):
        stacks = stacks_of(run, [[group] for group in range(5)], device)
        assert [[group for (group,) in stack.groups] for stack in stacks] == groups
        assert [seed for stack in stacks for seed in stack.seeds] == [4] * 5 + [9] * 5
