"""Where settings lie and the stages leave their files; dvc.yaml names the same paths."""

from pathlib import Path

PARAMS = Path("params.yaml")
DETECTORS = Path("data/detectors.h5")
PREPARED = Path("data/prepared.h5")
RUNS = Path("runs")
NAIVE = RUNS / "naive"
REPORTS = Path("reports")
