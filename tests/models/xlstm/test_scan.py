import torch

from vdcast.models.xlstm.scan import plain, slstm


def test_what_is_exported_is_what_is_trained():
    generator = torch.Generator().manual_seed(0)
    gates = torch.randn(6, 4 * 5, 9, 3, dtype=torch.float64, generator=generator)
    recurrent = torch.randn(6, 4 * 5, 5, dtype=torch.float64, generator=generator)
    torch.testing.assert_close(plain(gates, recurrent), slstm(gates, recurrent))
