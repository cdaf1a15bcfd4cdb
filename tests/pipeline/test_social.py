"""A project whose detectors have coordinates, through all of its stages: social beside the network without neighbours."""

import json

import msgspec
import pytest

from tests import project
from vdcast import Trained
from vdcast.data import store
from vdcast.errors import InputError
from vdcast.language import Said, in_words
from vdcast.live.newcomers import elsewhere

PLACES = "name,lon,lat\n" + "".join(
    f"{name},{121 + 0.004 * i},25\n" for i, name in enumerate("abcd")
)  # e has none

CHANGES = {
    "data": {"raw": "data/raw", "files": "counts.csv", "vd_list": "places.csv"},
    "modes": {
        "single_vd": {"target_vd_index": 0},
        **{
            mode: {"num_vds": 5} for mode in ("multi_vd", "independent_multi_vd", "global_multi_vd", "social")
        },
    },
    "runs": {f"{model}-social": {"model": model, "mode": "social"} for model in ("lstm", "xlstm")},
    "comparisons": {"social": {"lstm": "lstm-social", "xlstm": "xlstm-social"}},
}


@pytest.mark.slow
def test_social_is_a_mode_like_the_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/raw").mkdir(parents=True)
    (tmp_path / "data/raw/places.csv").write_text(PLACES, "utf-8")
    project.up_to_evaluate(tmp_path, project.counts("abcde"), CHANGES)
    project.up_to_report()

    training = json.loads((tmp_path / "runs/lstm-social/training.json").read_text("utf-8"))
    assert training["copies"] == 2, "one network a seed, whatever the number of detectors"
    named = "VDs without coordinates have no neighbours: e."
    (note,) = msgspec.convert(training["notes"], list[Said])
    assert in_words(note) == f"In run lstm-social, {named}"
    report = (tmp_path / "reports/report.md").read_text("utf-8")
    assert "| LSTM, social" in report and named in report

    trained, alone = (
        Trained.load(tmp_path / f"runs/lstm-{mode}/model.pt") for mode in ("social", "global_multi_vd")
    )
    known = store.read(tmp_path / "data/detectors.h5")
    assert trained.forecast_next(known).shape == (2, 2, 5, 1)
    assert elsewhere(alone, known).forecast_next(known).shape == (2, 2, 5, 1)
    with pytest.raises(InputError, match="forecasts the detectors that it was trained on and no others"):
        elsewhere(trained, known)
