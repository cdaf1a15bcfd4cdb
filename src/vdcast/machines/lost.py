"""What dvc.lock knows and nobody has any more."""

import functools
from pathlib import Path

from vdcast.layout import LOCK
from vdcast.machines.dvc_repo import missing, opened
from vdcast.machines.remote import Remote


def forget_lost(remote: Remote, *targets: str) -> list[str]:
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
