"""Which stages a job forgets, so that DVC makes them again."""

from dataclasses import dataclass

import networkx
import pytest

from vdcast.job import to_run

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
