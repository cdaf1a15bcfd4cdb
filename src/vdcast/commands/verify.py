"""Whether every object of DVC's cache still is what its name, an MD5 sum, says.

    vdcast verify

DVC itself trusts them, as nobody may write to them; a failing disk does not ask. A damaged object is removed,
and so is a file in the workspace that came from it; `dvc repro` makes both again, or `dvc pull` fetches them.
"""

import argparse
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from vdcast.errors import InputError, one_sentence
from vdcast.layout import LOCK


def main() -> None:
    argparse.ArgumentParser(prog="vdcast verify", description=__doc__.split("\n")[0]).parse_args()
    with one_sentence():
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        try:
            repo = Repo(_wait_for_lock=True)
        except DvcException as error:
            raise InputError(
                f"no DVC cache here ({error}); run in the repository that holds dvc.yaml"
            ) from None
        root, cache = Path(repo.root_dir), Path(repo.cache.local.path)
        objects, suspect = verify(cache)
        with repo, repo.lock:  # which DVC needs to write what we remove
            damaged = [name for name in suspect if is_damaged(path_of(name, cache), name)]
            copies = remove_copies(damaged, cache, root)
            for name in damaged:
                path_of(name, cache).unlink()
        where = shown(cache, root)
        if damaged:
            raise InputError(
                f"damaged and removed: {len(damaged)} of {objects} objects in {where}"
                + (
                    f", and what came from them: {', '.join(shown(copy, root) for copy in copies)}"
                    if copies
                    else ""
                )
                + "; `dvc repro` makes them again, or `dvc pull` fetches them"
            )
        print(f"{where}: {objects} objects, none damaged")


def shown(path: Path, root: Path) -> str:
    """As seen from here, if it lies in the repository."""
    return os.path.relpath(path) if path.is_relative_to(root) else str(path)


def verify(cache: Path) -> tuple[int, list[str]]:
    """How many objects there are, and the names of those whose content has another MD5 sum."""
    found = sorted(
        (path.parent.name + path.name, path)
        for path in cache.glob("??/*")
        if re.fullmatch(r"[0-9a-f]{32}(\.dir)?", path.parent.name + path.name)
    )
    return len(found), [name for name, path in found if is_damaged(path, name)]


def is_damaged(path: Path, name: str) -> bool:
    """Whether ``path`` is there and has another MD5 sum than ``name`` says."""
    try:
        return md5(path) != name.removesuffix(".dir")
    except FileNotFoundError:  # removed since it was listed
        return False


def remove_copies(damaged: list[str], cache: Path, root: Path) -> list[Path]:
    """Remove the files under ``root`` that should be ``damaged`` objects and have another content; which they were.

    DVC would take them for what they should be: it remembers the sum, and looks only at size and time.
    """
    suspect = [(path, name) for path, name in outputs(cache, root) if name in damaged and path.is_file()]
    copies = [path for path, name in suspect if is_damaged(path, name)]
    for path in copies:
        path.unlink()
    return copies


def outputs(cache: Path, root: Path) -> Iterator[tuple[Path, str]]:
    """Every file that dvc.lock records as made by a stage, and the name of its object."""
    lock = root / LOCK
    stages = yaml.safe_load(lock.read_text("utf-8"))["stages"] if lock.exists() else {}
    for stage in stages.values():
        for out in stage.get("outs", []):
            place = root / out["path"]
            if not out["md5"].endswith(".dir"):
                yield place, out["md5"]
                continue
            try:
                listing = json.loads(path_of(out["md5"], cache).read_text("utf-8"))
            except (OSError, ValueError):  # it is damaged itself, or was never made here
                continue
            for entry in listing:
                path = place / entry["relpath"]
                if path.parent.resolve().is_relative_to(place.resolve()):  # a list may come from a remote
                    yield path, entry["md5"]


def path_of(name: str, cache: Path) -> Path:
    return cache / name[:2] / name[2:]


def md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
