"""The command, with processes that are killed."""

import os
import subprocess
import sys
import time

import msgspec
import psutil
import pytest

from vdcast.records.search import Searched
from vdcast.search.part import folder_of

COMMAND = [sys.executable, "-m", "vdcast", "search", "-j", "1"]


@pytest.mark.slow
def test_a_search_that_is_killed_goes_on_and_one_whose_process_is_killed_does_not_end(project):
    folder = folder_of("multi_vd")
    first = subprocess.Popen(COMMAND, start_new_session=True)
    wait_for_trial(folder, first)
    os.killpg(first.pid, 9)
    first.wait()

    second = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = wait_for_trial(folder, second, beyond=(folder / "study.log").stat().st_size)
    seen.kill()
    said, complained = second.communicate(timeout=300)
    assert second.returncode == 0, complained
    assert "a process of the search was killed; another takes its place" in complained
    assert "what is better, as an experiment" in said or "no settings are shown to be better" in said

    searched = msgspec.json.decode((folder / "search.json").read_bytes(), type=Searched)
    for it in searched.models.values():
        assert (it.trials, it.end) == (5, "trials")
    assert (folder / "search.md").exists() and (folder / "best_so_far.png").exists()


def wait_for_trial(folder, parent, beyond: int = 0) -> psutil.Process:
    """Until a process of ``parent`` trains: it has written to the study."""
    study, deadline = folder / "study.log", time.monotonic() + 300
    while time.monotonic() < deadline:
        assert parent.poll() is None
        training = [
            child
            for child in psutil.Process(parent.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        if (
            training
            and study.exists()
            and study.stat().st_size > beyond
            and any((folder / "training").glob("*"))
        ):
            return training[0]
        time.sleep(0.02)
    raise TimeoutError
