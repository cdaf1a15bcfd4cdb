"""What dvc.lock knows and nobody has any more."""

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vdcast.errors import InputError, first_line
from vdcast.layout import LOCK

if TYPE_CHECKING:
    from vdcast.machines.remote import Remote


def forget_lost(remote: "Remote", *targets: str) -> list[str]:
    """Remove from dvc.lock what nobody has, neither this clone nor the remote, and ``targets`` need.

    Returns which outputs the stages that may run now take from those that will not.

    To DVC a stage whose inputs are those of dvc.lock is done, with ``--allow-missing`` even if its outputs are gone;
    and it asks the run cache only about stages that dvc.lock does not know.
    """
    from dvc.dvcfile import Lockfile

    with opened() as repo:
        graph, cache = repo.index.graph, repo.cache.local
        wanted = {stage for target in targets for stage in repo.stage.collect(target)}

        @functools.cache
        def lost(stage) -> bool:
            with remote.told("cannot be read, so nothing was run"):
                return any(missing(stage, cache, remote.odb))

        runs = to_run(wanted, graph, lost)
        for stage in runs:
            if lost(stage) and not stage.is_data_source:
                Lockfile(repo, str(LOCK)).remove_stage(stage)
        return inputs_of(runs, graph)


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


def to_run(wanted: set, graph, lost) -> set:
    """The stages that may run for ``wanted``: stale ones, what follows these, and what of their inputs is ``lost``.

    ``graph`` leads from each stage to those that it needs.
    """
    import networkx

    graph = graph.subgraph(wanted.union(*(networkx.descendants(graph, stage) for stage in wanted)))
    stale: set = set()
    for stage in networkx.dfs_postorder_nodes(graph):  # what a stage needs comes before it
        before = list(graph.successors(stage))
        if not stale.isdisjoint(before) or stage.changed(allow_missing=True, upstream=before):
            stale.add(stage)
    runs, todo = set(), stale | set(filter(lost, wanted))
    while todo:
        runs |= todo
        todo = {before for stage in todo for before in graph.successors(stage) if lost(before)} - runs
    return runs


def inputs_of(runs: set, graph) -> list[str]:
    """The outputs, by path, that ``runs`` take from other stages; of a folder that they read, all that lie in it."""
    return sorted(
        str(out)
        for stage in runs
        for before in set(graph.successors(stage)) - runs
        for out in before.outs
        if any(_within(out.fs_path, dep.fs_path) or _within(dep.fs_path, out.fs_path) for dep in stage.deps)
    )


def _within(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


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
