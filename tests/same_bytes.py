"""Whether two revisions have the same numbers, byte for byte, by the MD5 sums that dvc.lock keeps of them.

python -m tests.same_bytes REVISION    # after `dvc repro`: what lies here against what that commit has
"""

import subprocess
import sys
from pathlib import Path, PurePosixPath

import yaml

NUMBERS = {
    "model.pt",
    "history.csv",
    "predictions.h5",
    "metrics.json",
    "naive",
}  # naive: the baselines' folder


def sums(lock: str) -> dict[str, str]:
    """MD5 by path of every output in the text of a dvc.lock that holds numbers and no seconds."""
    stages = yaml.safe_load(lock)["stages"].values()
    outputs = [output for stage in stages for output in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outputs if PurePosixPath(out["path"]).name in NUMBERS}


def differing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Paths whose sums differ, or that one side lacks."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def main(revision: str) -> None:
    shown = subprocess.run(["git", "show", f"{revision}:dvc.lock"], capture_output=True, text=True)
    if shown.returncode:
        sys.exit(shown.stderr.strip())
    before, after = sums(shown.stdout), sums(Path("dvc.lock").read_text("utf-8"))
    if changed := differing(before, after):
        sys.exit("\n".join(f"{path}: {before.get(path)} -> {after.get(path)}" for path in changed))
    print(f"{len(after)} outputs, the same bytes as in {revision}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
