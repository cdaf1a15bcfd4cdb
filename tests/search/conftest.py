"""A project that is prepared: two detectors, networks of seconds, a space and a budget that are small."""

from pathlib import Path

import pytest
import torch
import yaml

from tests.pipeline.conftest import merged
from tests.project import SMALL
from vdcast.data import store
from vdcast.layout import PREPARED
from vdcast.prepare.split import prepare

ROOT = Path(__file__).parents[2]
SEARCH = {
    "modes": {
        name: {"num_vds": 2} for name in ("multi_vd", "independent_multi_vd", "global_multi_vd", "social")
    },
    "train": {"epochs": 2, "patience": 2, "seeds": [3]},
    "comparisons": {},
    "evaluate": {"primary": "multi_vd"},
    "search": {
        "trials": 5,
        "seconds": 300.0,
        "together": 2,
        "seeds": 2,
        "lstm": {
            "hidden_size": [4, 8],
            "num_layers": [1],
            "lookback": [None, 3],
            "batch_size": [128],
            "dropout": {"low": 0.0, "high": 0.5, "log": False},
            "learning_rate": {"low": 0.001, "high": 0.1, "log": True},
            "weight_decay": {"low": 0.001, "high": 0.1, "log": True},
        },
        "xlstm": {
            "embedding_dim": [16],
            "num_blocks": [1, 2],
            "slstm_at": [[], [0], [1]],
            "num_heads": [2],
            "lookback": [None],
            "batch_size": [128],
            "dropout": [0.0, 0.3],
            "learning_rate": [0.001, 0.01],
            "weight_decay": [0.01],
        },
    },
}


@pytest.fixture
def project(tmp_path, detectors, prepare_settings, monkeypatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    (prepared,), _ = prepare(detectors, prepare_settings)
    PREPARED.parent.mkdir()
    store.write_prepared(PREPARED, [prepared])
    settings_with({})
    yield tmp_path
    torch.use_deterministic_algorithms(False)  # which training left on, and other tests do not expect


def settings_with(changes: dict) -> None:
    """params.yaml, as it is shipped but for what makes it small, and ``changes``."""
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    settings = merged(merged(merged(shipped, SMALL), SEARCH), changes)
    settings["comparisons"] = {"multi_vd": {"lstm": "lstm-multi_vd", "xlstm": "xlstm-multi_vd"}}
    settings["prepare"] |= {"features": ["volume", "speed"], "targets": ["volume"]}
    Path("params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), "utf-8")
