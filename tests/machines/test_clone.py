"""Which stages a job forgets, so that DVC makes them again, and what it says of mistakes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import networkx
import pytest
from dvc.repo import Repo

from vdcast.errors import InputError, first_line
from vdcast.machines.clone import bring, job
from vdcast.machines.lost import to_run
from vdcast.machines.remote import Remote

NEEDS = {
    "ingest": [],
    "prepare": ["ingest"],
    "train": ["prepare"],
    "naive": ["prepare"],
    "report": ["train", "naive"],
}


@dataclass(frozen=True)
class Stage:
    name: str
    stale: bool

    def changed(self, allow_missing, upstream):
        assert allow_missing and {before.name for before in upstream} == set(NEEDS[self.name])
        return self.stale


@pytest.mark.parametrize(
    ("wanted", "stale", "lost", "runs"),
    [
        ("report", "", "", ""),
        ("report", "", "ingest prepare train naive", ""),  # the remote has the report itself
        ("report", "", "report", "report"),
        ("report", "", "report train ingest", "report train"),  # prepared data are there
        ("report", "", "report train prepare ingest", "report train prepare ingest"),
        ("report", "report", "naive", "report naive"),
        ("report", "prepare", "ingest naive train", "report naive train prepare ingest"),  # these follow
        ("train", "naive report", "train naive report", "train"),
    ],
)
def test_what_runs_is_stale_or_lost_and_needed(wanted, stale, lost, runs):
    stages = {name: Stage(name, name in stale.split()) for name in NEEDS}
    graph = networkx.DiGraph(
        {stages[name]: [stages[each] for each in before] for name, before in NEEDS.items()}
    )
    found = to_run({stages[wanted]}, graph, lambda stage: stage.name in lost.split())
    assert {stage.name for stage in found} == set(runs.split())


def test_a_wrong_setting_stops_a_job_before_it_looks_for_a_remote(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("train: {epochs: 0}\n", "utf-8")
    with pytest.raises(InputError, match="params.yaml: "):
        job("prepare")


def test_a_remote_s_error_without_words_is_named():
    remote = Remote.__new__(Remote)
    remote.name = "shared"
    for error, said in ((TimeoutError(), "TimeoutError"), (ValueError("\none\ntwo"), "one")):
        assert first_line(error) == said
        with pytest.raises(InputError, match=f"remote 'shared' is away: {said}; see"), remote.told("is away"):
            raise error


PARTS = """
stages:
  parts:
    foreach: [a, b]
    do:
      cmd: mkdir -p parts && echo ${item} > parts/${item}
      outs:
        - parts/${item}
  whole:
    cmd: cat parts/* > whole
    deps: [parts]
    outs: [whole]
"""


def test_a_stage_that_reads_a_folder_of_others_gets_all_of_it(tmp_path, monkeypatch):
    """Of the two parts one is here; `dvc repro --pull --allow-missing` alone would go on without the other."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    Path("dvc.yaml").write_text(PARTS, "utf-8")
    with Repo.init(".", no_scm=True) as repo, repo.config.edit() as config:
        config["core"]["remote"] = "shared"
        config["remote"]["shared"] = {"url": str(tmp_path / "remote")}
    with Repo() as repo:
        repo.reproduce()
        repo.push(run_cache=True)
    assert Path("whole").read_text("utf-8") == "a\nb\n"
    shutil.rmtree(".dvc/cache")
    Path("parts/b").unlink()
    Path("whole").unlink()
    Path("dvc.yaml").write_text(PARTS.replace("cat parts/*", "cat parts/* parts/a"), "utf-8")
    bring(Remote(None), "whole")
    assert Path("whole").read_text("utf-8") == "a\nb\na\n"
