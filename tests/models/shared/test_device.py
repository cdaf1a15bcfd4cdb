import torch

from vdcast.models.shared.device import deterministic


def test_a_gpu_is_not_asked_for_what_torch_refuses_there():
    """Its cumsum has no deterministic form, so that xLSTM would not train at all."""
    try:
        deterministic("cpu")
        assert torch.are_deterministic_algorithms_enabled()
        deterministic("cuda")
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
