"""This clone as DVC's library sees it, and which objects of a stage lie where."""

import contextlib
from collections.abc import Iterator

from vdcast.errors import InputError, first_line


@contextlib.contextmanager
def opened() -> Iterator:
    """This clone as DVC sees it, locked. Raises InputError for what DVC says of a mistake, such as an unknown target."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(_wait_for_lock=True) as repo, repo.lock:
            yield repo
    except DvcException as error:
        raise InputError(first_line(error)) from None


def missing(stage, *places) -> Iterator[str]:
    """The outputs of ``stage``, and files of folders among them, that none of ``places`` has, as dvc.lock names them."""
    from dvc_data.hashfile.tree import Tree

    def where(name: str):
        return next((place for place in places if there(place, name)), None)

    for out in stage.outs:
        place = where(out.hash_info.value) if out.hash_info else None
        if place is None:
            yield out.hash_info.value if out.hash_info else str(out)
        elif out.hash_info.isdir:
            names = {info.value for _, _, info in Tree.load(place, out.hash_info)}
            yield from (name for name in sorted(names) if not where(name))


def there(place, name: str) -> bool:
    """Unlike `exists` of DVC, whose file systems take every error for a no, this raises where nobody answers."""
    try:
        return bool(place.fs.info(place.oid_to_path(name)))
    except FileNotFoundError:
        return False
