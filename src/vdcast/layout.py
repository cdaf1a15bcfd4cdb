"""Where settings lie and the stages leave their files; dvc.yaml names the same paths."""

from pathlib import Path

PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
PARAMS = Path("params.yaml")
CALENDAR = Path("data/calendar")  # tables that `calendar` of params.yaml names
DETECTORS = Path("data/detectors.h5")
PREPARED = Path("data/prepared.h5")
RUNS = Path("runs")
NAIVE = RUNS / "naive"
REPORTS = Path("reports")
COMPARISONS = REPORTS / "comparisons"
CONTROLS = COMPARISONS / "controls"
SUMMARY = REPORTS / "summary.json"
PREPARATION = REPORTS / "prepare.json"
QUALITY = REPORTS / "quality/quality.json"
SPOOL = Path(".scratch/ingest")  # what ingest keeps of the files that it has parsed
SCRATCH = Path(".scratch/train")  # no stage's output; safe to delete
WRITING = Path(".scratch/writing")  # a lock per run: who writes to runs/<run>
REPRO_LOCK = Path(".scratch/repro.lock")
LOGS = Path(".scratch/logs")
