"""Whether every object of DVC's cache still is what its name, an MD5 sum, says.

    vdcast verify

DVC itself trusts them, as nobody may write to them; a failing disk does not ask. A damaged object is removed,
and so is a file in the workspace that came from it; `dvc repro` makes both again, or `dvc pull` fetches them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from vdcast.errors import InputError, one_sentence
from vdcast.layout import LOCK


def main() -> None:
    argparse.ArgumentParser(prog="vdcast verify", description=__doc__.split("\n")[0]).parse_args()
    with one_sentence():
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            cache = Path(Repo().cache.local.path)
        except DvcException as error:
            raise InputError(
                f"no DVC cache here ({error}); run from the folder that holds dvc.yaml"
            ) from None
        cache = cache.relative_to(Path.cwd()) if cache.is_relative_to(Path.cwd()) else cache
        objects, damaged = verify(cache)
        if damaged:
            copies = remove_copies(damaged, cache, LOCK)
            for name in damaged:
                path_of(name, cache).unlink()
            raise InputError(
                f"damaged and removed: {len(damaged)} of {objects} objects in {cache}"
                + (f", and what came from them: {', '.join(map(str, copies))}" if copies else "")
                + "; `dvc repro` makes them again, or `dvc pull` fetches them"
            )
        print(f"{cache}: {objects} objects, none damaged")


def verify(cache: Path) -> tuple[int, list[str]]:
    """How many objects there are, and the names of those whose content has another MD5 sum."""
    found = sorted(
        (path.parent.name + path.name, path)
        for path in cache.glob("??/*")
        if re.fullmatch(r"[0-9a-f]{32}(\.dir)?", path.parent.name + path.name)
    )
    return len(found), [name for name, path in found if md5(path) != name[:32]]


def remove_copies(damaged: list[str], cache: Path, lock: Path) -> list[Path]:
    """Remove the files that should be ``damaged`` objects and have another content; those that were removed.

    DVC would take them for what they should be: it remembers the sum, and looks only at size and time.
    """
    suspect = [(path, name) for path, name in outputs(cache, lock) if name in damaged and path.is_file()]
    copies = [path for path, name in suspect if md5(path) != name]
    for path in copies:
        path.unlink()
    return copies


def outputs(cache: Path, lock: Path) -> Iterator[tuple[Path, str]]:
    """Every file that ``lock`` records as made by a stage, and the name of its object."""
    import yaml

    stages = yaml.safe_load(lock.read_text("utf-8"))["stages"] if lock.exists() else {}
    for stage in stages.values():
        for out in stage.get("outs", []):
            if not out["md5"].endswith(".dir"):
                yield Path(out["path"]), out["md5"]
                continue
            try:
                listing = json.loads(path_of(out["md5"], cache).read_text("utf-8"))
            except (OSError, ValueError):  # it is damaged itself, or was never made here
                continue
            for entry in listing:
                yield Path(out["path"], entry["relpath"]), entry["md5"]


def path_of(name: str, cache: Path) -> Path:
    return cache / name[:2] / name[2:]


def md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
