"""Small tables of detectors with a daily rhythm, gaps and two features."""

import os
import signal

import numpy as np
import pytest

from vdcast.data.detectors import Detectors
from vdcast.params.networks import LSTM, XLSTM
from vdcast.params.sections import Prepare

DAY = 24

# A job in a shell's background, or under nohup, ignores these, and so would every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def detectors() -> Detectors:
    """3 VDs, 2 features, 20 days of hours in Taipei; some observations missing, one VD much missing."""
    rng = np.random.default_rng(0)
    T, V, F = 20 * DAY, 3, 2
    hour = np.arange(T) % DAY
    rhythm = 40 + 30 * np.sin(2 * np.pi * hour / DAY)
    values = rhythm[:, None, None] * np.array([1.0, 2.0, 0.5])[None, :, None] + rng.normal(0, 3, (T, V, F))
    values[:, :, 1] = 100 - values[:, :, 1]
    values[rng.random((T, V, F)) < 0.05] = np.nan
    values[200:230, 1] = np.nan
    return Detectors(
        values=values.astype(np.float32),
        timestamps=1_700_000_000 // 3600 * 3600 + 3600 * np.arange(T),
        vd_ids=("VD-A", "VD-B", "VD-國"),
        features=("volume", "speed"),
        units=("veh/h", "km/h"),
        interval=3600,
        time_zone="Asia/Taipei",
        source="a fixture",
    )


@pytest.fixture
def prepare_settings() -> Prepare:
    return Prepare(
        features=["volume", "speed"],
        targets=["volume"],
        vds="all",
        max_missing=0.5,
        min_mean=0.0,
        split=[0.6, 0.2, 0.2],
    )


@pytest.fixture
def small_lstm() -> LSTM:
    return LSTM(
        hidden_size=8,
        num_layers=2,
        lookback=None,
        dropout=0.2,
        batch_size=16,
        learning_rate=0.01,
        weight_decay=0.01,
    )


@pytest.fixture
def small_xlstm() -> XLSTM:
    return XLSTM(
        embedding_dim=16,
        num_blocks=2,
        slstm_at=[1],
        num_heads=2,
        context_length=16,
        slstm_backend="vanilla",
        mlstm_backend="vanilla",
        kernel="vanilla",
        compile=False,
        lookback=None,
        dropout=0.2,
        batch_size=16,
        learning_rate=0.01,
        weight_decay=0.01,
    )


@pytest.fixture(scope="session")
def native(tmp_path_factory):
    """The xLSTM's C++ is compiled, once for all workers; without a compiler the test skips."""
    from vdcast.models.xlstm.native import operators, problem  # torch takes seconds to import

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TORCH_EXTENSIONS_DIR", str(shared / "torch_extensions"))
        if reason := problem("cpu"):
            pytest.skip(reason)
        yield operators()
