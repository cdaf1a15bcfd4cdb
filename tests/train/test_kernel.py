"""Which code computes a training: what the run asks for, or vanilla, and its key knows which."""

from pathlib import Path

import pytest

from tests.train.small import run_of
from vdcast import params
from vdcast.models.xlstm import native as compiled
from vdcast.train.kernel import settled
from vdcast.train.key import key_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def asked(small_xlstm):
    return run_of(small_xlstm.model_copy(update={"kernel": "native"}))


def test_vanilla_is_settled(network):
    run = run_of(network)
    assert settled(run, "cpu") is run and settled(run, "cuda") is run


def test_without_a_compiler_the_vanilla_code_computes_and_it_is_said(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    compiled.operators.cache_clear()
    run = settled(asked, "cpu")
    assert run == asked.model_copy(update={"network": asked.network.model_copy(update={"kernel": "vanilla"})})
    said = capsys.readouterr().err
    assert said.startswith(
        "vdcast: xlstm-multi_vd: xlstm.kernel 'native' needs a C++ compiler and ninja (pip install 'vdcast[native]'), and "
        "did not compile ("
    )
    assert (
        said.endswith("); the vanilla code computes in its place, to other last digits\n")
        and said.count("\n") == 1
    )


def test_on_a_gpu_the_vanilla_code_computes(asked, capsys):
    assert settled(asked, "cuda").network.kernel == "vanilla"
    assert capsys.readouterr().err == (
        "vdcast: xlstm-multi_vd: xlstm.kernel 'native' computes on a CPU alone; the vanilla code computes in its place, to "
        "other last digits\n"
    )


def test_the_key_knows_which_one_computed(asked, tmp_path, monkeypatch):
    for name in ("src", "dvc.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/prepared.h5").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    settings = params.load(ROOT / "params.yaml")
    vanilla = asked.model_copy(update={"network": asked.network.model_copy(update={"kernel": "vanilla"})})
    keys = [key_of(run, settings, "cpu") for run in (asked, vanilla, asked)]
    assert keys[0] == keys[2] != keys[1]


@pytest.mark.slow
def test_with_a_compiler_the_native_code_computes(native, asked):
    assert settled(asked, "cpu") is asked
