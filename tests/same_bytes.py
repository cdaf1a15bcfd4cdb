"""Whether two revisions have the same numbers, byte for byte, by the MD5 sums that dvc.lock keeps of them.

python -m tests.same_bytes REVISION    # after `dvc repro`: what lies here against what that commit has

A history.csv has a column of seconds, which are never twice the same: it is read, from DVC's cache, and compared
without that column.
"""

import csv
import subprocess
import sys
from pathlib import Path, PurePosixPath

import yaml

NUMBERS = {
    "model.pt",
    "history.csv",
    "predictions.h5",
    "metrics.json",
    "test.json",
    "naive",
}  # naive: the baselines' folder


def sums(lock: str) -> dict[str, str]:
    """MD5 by path of every output in the text of a dvc.lock that holds numbers."""
    stages = yaml.safe_load(lock)["stages"].values()
    outputs = [output for stage in stages for output in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outputs if PurePosixPath(out["path"]).name in NUMBERS}


def differing(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Paths whose sums differ, or that one side lacks."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def without_seconds(text: str) -> list[dict[str, str]]:
    """The rows of a history.csv but for the time that they took."""
    rows = list(csv.DictReader(text.splitlines()))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def same_history(md5s: tuple[str | None, str | None], cache: Path) -> bool:
    """Whether two histories in DVC's ``cache``, by their sums, are the same but for their seconds."""
    if None in md5s:
        return False
    before, after = (without_seconds((cache / md5[:2] / md5[2:]).read_text("utf-8")) for md5 in md5s)
    return before == after


def main(revision: str) -> None:
    shown = subprocess.run(["git", "show", f"{revision}:dvc.lock"], capture_output=True, text=True)
    if shown.returncode:
        sys.exit(shown.stderr.strip())
    before, after = sums(shown.stdout), sums(Path("dvc.lock").read_text("utf-8"))
    changed = differing(before, after)
    try:
        changed = [
            path
            for path in changed
            if not path.endswith("history.csv")
            or not same_history((before.get(path), after.get(path)), Path(".dvc/cache/files/md5"))
        ]
    except FileNotFoundError as error:
        sys.exit(
            f"{error.filename} is not in DVC's cache; `dvc fetch --all-commits` brings it, if a remote has it"
        )
    if changed:
        sys.exit("\n".join(f"{path}: {before.get(path)} -> {after.get(path)}" for path in changed))
    print(f"{len(after)} outputs, the same numbers as in {revision}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
