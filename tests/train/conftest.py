import pytest
import torch

torch.set_num_threads(1)  # tiny matrices: a second thread only waits


@pytest.fixture(params=["small_lstm", "small_xlstm"])
def network(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def float64():
    """Everything in double precision, where rounding cannot pass for agreement or hide a difference."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
