"""A flipped bit anywhere in a file that a stage reads is found, wherever it lies."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.made import drawn
from tests.records import made
from vdcast.data import files, store
from vdcast.data.files import Damaged, Unsealed, check_seal, replacing, seal
from vdcast.data.mapped import Mapped
from vdcast.errors import InputError
from vdcast.models.shared.trained import Trained
from vdcast.records import curves, io
from vdcast.records.training import Training


def flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_a_seal_is_the_checksum_of_all_before_it(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"123456789")
    seal(path)
    assert path.read_bytes() == b"123456789vdcast crc32 cbf43926"  # the check value of CRC-32
    check_seal(path)
    monkeypatch.setattr(files, "AT_ONCE", 4)
    check_seal(path)


@pytest.mark.parametrize("content", [b"", b"short", b"long enough to hold a seal, but without one"])
def test_a_file_without_one_is_told_from_a_damaged_one(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(Unsealed):
        check_seal(path)
    seal(path)
    check_seal(path)
    path.write_bytes(path.read_bytes()[:-1] + b"g")
    with pytest.raises(Damaged):
        check_seal(path)


def refused_with_any_bit_flipped(path: Path, read: Callable, sentence: str) -> None:
    whole = path.read_bytes()
    read(path)
    for bit in random.Random(0).sample(range(8 * len(whole)), min(300, 8 * len(whole))):
        path.write_bytes(flipped(whole, bit))
        with pytest.raises(InputError, match=sentence):
            read(path)


def test_no_flipped_bit_of_a_record_is_read(tmp_path):
    path = tmp_path / "training.json"
    io.write(path, made.training())
    refused_with_any_bit_flipped(
        path, lambda it: io.read(it, Training, "train@a"), "training.json is damaged"
    )


def test_no_flipped_bit_of_learning_curves_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = Path("runs/a/history.csv")
    path.parent.mkdir(parents=True)
    path.write_text("epoch,validation_loss\n1,0.5\n2,0.25\n")
    training = made.training(history=files.checksum(path))
    assert curves.read("a", training).validation_loss.tolist() == [0.5, 0.25]
    sentence = "history.csv is damaged .*; delete it and run `dvc repro train@a`"
    refused_with_any_bit_flipped(path, lambda _: curves.read("a", training), sentence)
    path.unlink()
    with pytest.raises(InputError, match="history.csv does not exist; run `dvc repro train@a`"):
        curves.read("a", training)


def test_no_flipped_bit_of_a_model_loads(tmp_path, detectors, prepare_settings, small_lstm):
    path = tmp_path / "model.pt"
    drawn(detectors, prepare_settings, small_lstm).save(path)
    refused_with_any_bit_flipped(path, Trained.load, "damaged|not a model of this version")


def test_no_flipped_bit_of_a_table_is_read(tmp_path, detectors):
    path = tmp_path / "a.h5"
    store.write(path, detectors)
    refused_with_any_bit_flipped(path, store.read, "damaged|readable|schema")


def test_a_table_that_is_mapped_is_checked_too(tmp_path, detectors, monkeypatch):
    path = tmp_path / "a.h5"
    store.write(path, detectors)
    monkeypatch.setattr(store, "MAPPED_FROM", 0)
    assert isinstance(store.read(path).values, Mapped)
    path.write_bytes(flipped(path.read_bytes(), 8 * 5000))
    with pytest.raises(InputError, match="is damaged"):
        store.read(path)


def test_what_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_bytes(b"new")
        raise ZeroDivisionError
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("a", b"old")]
