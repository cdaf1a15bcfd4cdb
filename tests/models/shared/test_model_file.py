import pytest
import torch

from tests.train.small import train
from vdcast.errors import InputError
from vdcast.models.shared.trained import Trained

torch.set_num_threads(1)


def test_the_file_holds_what_it_always_held(tmp_path, detectors, prepare_settings, small_lstm):
    """Its bytes are what a result is compared by: plain lists, numbers, text and tensors, in this order."""
    trained, _ = train(detectors, prepare_settings, small_lstm, "multi_vd")
    trained.save(tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    types = {key: type(value) for key, value in content.items()}
    assert list(types.items()) == [
        ("schema", int),
        ("weights", dict),
        ("run", dict),
        ("length", int),
        ("horizon", int),
        ("mean", list),
        ("std", list),
        ("profile", torch.Tensor),
        ("vd_ids", list),
        ("features", list),
        ("targets", list),
        ("units", list),
        ("feature_units", list),
        ("interval", int),
        ("time_zone", str),
        ("margins", type(None)),
        ("pools", type(None)),
        ("neighbours", type(None)),
    ]


def test_the_file_is_the_same_bytes_under_any_name(tmp_path, detectors, prepare_settings, small_lstm):
    trained, _ = train(detectors, prepare_settings, small_lstm, "multi_vd")
    trained.save(tmp_path / "a.pt")
    trained.save(tmp_path / "another_name.pt")
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "another_name.pt").read_bytes()


def test_a_file_from_before_a_setting_was_there_is_one_sentence(
    tmp_path, detectors, prepare_settings, small_lstm
):
    trained, _ = train(detectors, prepare_settings, small_lstm, "multi_vd")
    del trained.run["network"]["lookback"]
    trained.save(tmp_path / "model.pt")
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path / "model.pt")


def test_a_missing_a_damaged_and_a_hostile_checkpoint(tmp_path):
    with pytest.raises(InputError, match="does not exist; run `dvc repro` to train it"):
        Trained.load(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path / "bad.pt")
    for text in ("epoch,train_loss\n1,0.5\n", "data:\n  format: wide_table\n", ""):
        (tmp_path / "text").write_text(text, "utf-8")
        with pytest.raises(InputError, match="is not a model of this version of vdcast") as raised:
            Trained.load(tmp_path / "text")
        assert "weights_only" not in str(raised.value), "torch's advice runs what is in a file"
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path)
    torch.save({"schema": 99}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path / "other.pt")

    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    torch.save(Hostile(), tmp_path / "hostile.pt")
    with pytest.raises(InputError, match="is not a model of this version of vdcast"):
        Trained.load(tmp_path / "hostile.pt")
    assert not (tmp_path / "executed").exists()
