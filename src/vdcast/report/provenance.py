"""Which commit, settings and data a page came from."""

import subprocess
from pathlib import Path

import yaml

from vdcast.layout import LOCK

# what decides the numbers, beside the data: a change in these since the commit is told
DECIDING = ("src", "params.yaml", "dvc.yaml", "pyproject.toml")


def commit(folder: Path) -> dict | None:
    """``hash``, ``date`` and ``changed`` of the git repository around ``folder``; None where there is none.

    ``changed`` lists what decides the numbers and differs from the commit: code and settings, and raw data of another
    hash than in the commit's dvc.lock. That file itself always differs while `dvc repro` is at work.
    """

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=True
        )
        return done.stdout

    try:
        revision, date = git("log", "-1", "--format=%H %cs").split()
        changed = git("status", "--porcelain", "-z", "--no-renames", "--", *DECIDING).split("\0")
        # raw data need not lie in git, but their hash does
        committed = git("show", f"HEAD:./{LOCK}") if git("ls-tree", "HEAD", "--", str(LOCK)) else ""
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    now = (folder / LOCK).read_text("utf-8") if (folder / LOCK).exists() else ""
    before, after = raw_data(committed), raw_data(now)
    other = [path for path, digest in after.items() if before.get(path, digest) != digest]
    return {"hash": revision, "date": date, "changed": [line[3:] for line in changed if line] + other}


def raw_data(lock: str) -> dict[str, str]:
    """The hash of what `ingest` reads beside its code, by path; ``lock`` is the text of a dvc.lock."""
    stages = (yaml.safe_load(lock) or {}).get("stages", {})
    deps = stages.get("ingest", {}).get("deps", [])
    return {dep["path"]: dep["md5"] for dep in deps if not dep["path"].startswith("src/")}
