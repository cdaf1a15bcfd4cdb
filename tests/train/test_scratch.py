"""The folder that an unfinished training goes on from: one process at a time, whole files, no code in them."""

import os
import pickle
import subprocess
import sys
import zlib

import pytest
import torch

from vdcast.train import scratch

HOLD = """
import sys, time
from pathlib import Path
from vdcast.train import scratch

with scratch.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def start(folder):
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], text=True, bufsize=1,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_second_process_says_that_it_waits_and_then_goes_on(tmp_path):
    folder = tmp_path / "run" / "key"
    first = start(folder)
    assert first.stdout.readline() == "held\n"
    second = start(folder)
    assert second.stderr.readline() == (
        f"vdcast: '{folder}' is in use, the same training is under way in another process; "
        "waiting for it to end\n"
    )
    first.kill()  # nobody has to clean up after it
    assert second.stdout.readline() == "held\n"
    second.communicate("\n")
    first.communicate()


def test_a_folder_removed_while_somebody_waits_for_it_is_locked_anew(tmp_path):
    folder = tmp_path / "run" / "key"
    first = start(folder)
    assert first.stdout.readline() == "held\n"
    second = start(folder)
    assert "waiting" in second.stderr.readline()
    (folder / "lock").unlink()
    folder.rmdir()
    first.kill()
    assert second.stdout.readline() == "held\n"
    assert scratch._locked(folder, wait=False) is None, "the second one holds the folder that there is now"
    second.communicate("\n")
    first.communicate()


def test_other_keys_are_removed_but_for_one_in_use(tmp_path):
    for key in ("old", "used"):
        with scratch.held(tmp_path / "run" / key) as kept:
            kept.keep_state(0, {"epoch": 1})
    with scratch.held(tmp_path / "another-run" / "old") as kept:
        kept.keep_state(0, {"epoch": 1})
    busy = start(tmp_path / "run" / "used")
    assert busy.stdout.readline() == "held\n"
    with scratch.held(tmp_path / "run" / "new") as kept:
        kept.remove_others()
    busy.communicate("\n")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"used", "new"}
    assert (tmp_path / "another-run" / "old" / "0.state").exists()


def test_files_come_back_and_a_damaged_byte_is_noticed_wherever_it_is(tmp_path, capsys):
    content = {"weights": {"w": torch.arange(5.0)}, "seconds": [0.5], "seeds": {7: torch.ones(3)}}
    with scratch.held(tmp_path) as kept:
        assert kept.state(4) is None and kept.found() == ""
        kept.keep_state(4, content)
        assert kept.found() == "stacks: 0 trained, 1 begun"
        back = kept.state(4)
        assert back["seconds"] == [0.5] and torch.equal(back["seeds"][7], torch.ones(3))
        path = tmp_path / "4.state"
        whole = path.read_bytes()
        for damaged in (b"", whole[:3], whole[:-1], bytes([whole[0] ^ 1]) + whole[1:], whole[:-1] + b"?"):
            path.write_bytes(damaged)
            assert kept.state(4) is None
            assert f"'{path}' is damaged" in capsys.readouterr().err
        kept.keep_state(4, content)
        kept.keep_fitted(4, content)
        assert kept.found() == "stacks: 1 trained, 0 begun"


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm-was-done",)


@pytest.mark.parametrize("pack", [pickle.dumps, None])
def test_a_forged_file_runs_no_code(tmp_path, monkeypatch, capsys, pack):
    monkeypatch.chdir(tmp_path)
    if pack:
        data = pack(Harmful())
    else:
        torch.save({"weights": Harmful()}, "forged.pt")
        data = (tmp_path / "forged.pt").read_bytes()
    (tmp_path / "0.fitted").write_bytes(zlib.crc32(data).to_bytes(4) + data)
    with scratch.held(tmp_path) as kept:
        assert kept.fitted(0) is None
    assert "is damaged" in capsys.readouterr().err and not (tmp_path / "harm-was-done").exists()
