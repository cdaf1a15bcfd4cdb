import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_what_would_run_is_not_named_where_a_setting_stops_it(tmp_path):
    settings = (ROOT / "params.yaml").read_text("utf-8")
    (tmp_path / "params.yaml").write_text(settings.replace("patience:", "patiense:"), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "vdcast", "repro", "--dry"], cwd=tmp_path, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.startswith(
        "vdcast: params.yaml: train.patiense is not a setting; did you mean patience?"
    )
