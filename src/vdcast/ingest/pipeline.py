"""From raw files to the h5 table and what it is worth, in bounded memory."""

import contextlib
import importlib
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from vdcast.data import store
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.ingest import assemble, files, quality
from vdcast.ingest.assemble import Blocks, Layout
from vdcast.ingest.files import RawFile
from vdcast.ingest.records import Records
from vdcast.ingest.spool import Damaged, Grid, Parsed, Piece, Spool, pack
from vdcast.params.formats import Coarser, Known
from vdcast.processes import cpus, end_with_parent
from vdcast.records import io
from vdcast.records.quality import Files, Quality

BATCH = 8  # files a worker takes at once
LONGEST_NAME = 1000  # characters of a detector's
STREAMED = 64 << 20  # a larger file is parsed here, piece by piece, rather than as a whole in a worker

UNPARSED = {"on_bad_file", "vd_list", "min_share"}  # settings that no parser looks at

Result = tuple[Parsed, list[Piece]] | InputError
Done = TypeVar("Done")


def ingest(settings: Known, table: Path, report: Path, scratch: Path) -> Quality:
    """Write ``table`` from ``settings.raw``, and what it is worth to ``report``; returns that too.

    Raises InputError for the first bad file, or where nothing could be read.
    """
    return _twice(lambda: _ingest(settings, table, report, scratch))


def recent(settings: Known, scratch: Path, *, steps: int, now: int) -> tuple[Detectors, int]:
    """The last ``steps`` steps, or all if there are fewer, that had ended by ``now``; and when the last of all began.

    What is new under ``settings.raw`` is read and kept. Times are Unix seconds. Raises InputError as ``ingest`` does,
    and where no step had.
    """
    return _twice(lambda: _recent(settings, scratch, steps, now))


def _twice(work: Callable[[], Done]) -> Done:
    """What ``work`` gives; where it finds that what was kept is damaged, again from the raw files."""
    try:
        return work()
    except Damaged as error:
        print(f"vdcast: {error}", file=sys.stderr, flush=True)
    try:
        return work()
    except Damaged as error:
        raise InputError(f"{error}, and was damaged again; is the disk sound?") from None


def _ingest(settings: Known, table: Path, report: Path, scratch: Path) -> Quality:
    module = format_of(settings)
    raw, vd_list = Path(settings.raw), getattr(settings, "vd_list", None)
    with _spooled(settings, scratch) as (spool, parsed):
        layout = assemble.coarser(parsed, settings.interval, settings.time_zone)
        counts = spool.counts()
        info = _info(module, raw / vd_list, layout.vd_ids, settings) if vd_list else {}
        silent = (
            _silent(module.listed(raw / vd_list), layout.vd_ids)
            if vd_list and hasattr(module, "listed")
            else []
        )
        empty = _empty(settings, layout.vd_ids, info)
        tally = quality.Tally(layout.steps, len(layout.vd_ids), len(empty.features))

        def values() -> Iterator[np.ndarray]:
            blocks = assemble.blocks(spool, parsed, empty.features, counts)
            for block, cause in _on_grid(settings, blocks, counts, parsed=parsed, layout=layout):
                tally.add(block, cause)
                yield block

        timestamps = layout.timestamps
        store.write_blocks(table, empty, timestamps, values())
        read = Files(read=spool.read, bad=spool.errors(), passed_over=spool.passed_over())
        found = quality.summary(empty, timestamps, tally, quality.Reading(counts, read, silent))
        io.write(report, found)
        return found


def _recent(settings: Known, scratch: Path, steps: int, now: int) -> tuple[Detectors, int]:
    with _spooled(settings, scratch) as (spool, parsed):
        layout = assemble.coarser(parsed, settings.interval, settings.time_zone)
        newest = layout.grid.time(layout.first + layout.steps - 1)
        end = assemble.end_of(layout, steps, now)
        if end is None:
            raise InputError(
                f"data.raw '{settings.raw}': no step of {settings.interval} s had ended by {assemble.said(now)}; the first one begins at "
                f"{assemble.said(layout.grid.time(layout.first))}; is the clock right?"
            )
        fine = assemble.finer(end, parsed)
        empty = _empty(settings, layout.vd_ids, {})
        counts: Counter = Counter()
        blocks = assemble.some_blocks(spool, fine, empty.features, counts)
        values = [block for block, _ in _on_grid(settings, blocks, counts, parsed=fine, layout=end)]
        return replace(empty, values=np.concatenate(values), timestamps=end.timestamps), newest


@contextlib.contextmanager
def _spooled(settings: Known, scratch: Path) -> Iterator[tuple[Spool, Layout]]:
    """Every file of ``settings.raw``, parsed, and where its records lie. Raises InputError as ``ingest`` does."""
    module = format_of(settings)
    grid = assemble.grid(
        settings.spacing if isinstance(settings, Coarser) else settings.interval, settings.time_zone
    )
    raw, vd_list = files.place(settings.raw), getattr(settings, "vd_list", None)
    with Spool(scratch, settings.model_dump_json(exclude=UNPARSED)) as spool:
        spool.take_in(files.find(raw, module.SUFFIXES, settings.files, vd_list))
        if not spool.listed and not spool.errors():
            kinds = ", ".join(module.SUFFIXES)
            raise InputError(
                f"data.raw '{raw}' holds no file of format {settings.format} ({kinds}), {settings.files!r}"
            )
        for error in spool.errors():
            _refuse(settings, InputError(error))
        if getattr(settings, "start", None) is not None and spool.listed > 1:
            raise InputError(
                f"data.raw '{raw}' holds {spool.listed} files without times, and data.start is the first row of one: which "
                "of them comes first cannot be told; join them, or give them a column of times"
            )
        parse_all(settings, spool, grid)
        yield spool, assemble.layout(spool, grid, module.ORDERED)


def _empty(settings: Known, vd_ids: tuple[str, ...], info: dict[str, np.ndarray]) -> Detectors:
    """The table of ``settings`` before its first row."""
    features = format_of(settings).features(settings)
    return Detectors(
        values=np.empty((0, len(vd_ids), len(features)), "f4"),
        timestamps=np.empty(0, "i8"),
        vd_ids=vd_ids,
        features=tuple(name for name, _ in features),
        units=tuple(unit for _, unit in features),
        interval=settings.interval,
        time_zone=settings.time_zone,
        source=f"{settings.format}: {Path(settings.raw).name}",
        info=info,
    )


def _on_grid(settings: Known, blocks: Blocks, counts: Counter, *, parsed: Layout, layout: Layout) -> Blocks:
    """``blocks`` of the layout ``parsed``, that of the files, on ``layout``."""
    if parsed.grid == layout.grid:
        return blocks
    assert isinstance(settings, Coarser)  # no other has a second grid
    names = [name for name, _ in format_of(settings).features(settings)]
    return assemble.coarser_blocks(blocks, parsed, layout, names, settings.min_share, counts)


def _info(module, vd_list: Path, vd_ids: Sequence[str], settings: Known) -> dict[str, np.ndarray]:
    """What the list says of each detector. Raises InputError where that is no name, but a text at length."""
    info = module.info(vd_list, vd_ids, settings)
    for key, column in info.items():
        if column.dtype == object and (longest := max(map(len, column), default=0)) > LONGEST_NAME:
            raise InputError(f"'{vd_list.name}': a {key} is of {longest} characters; {LONGEST_NAME} are read")
    return info


def _silent(listed: list[str], vd_ids: Sequence[str]) -> list[str]:
    """The detectors of a list that no file names, alone or as one of their links."""
    named = {*vd_ids, *(vd.rpartition("/")[0] for vd in vd_ids)}
    return [vd for vd in listed if vd not in named]


def format_of(settings: Known):
    """The module of ``settings.format``."""
    return importlib.import_module(f"vdcast.ingest.formats.{settings.format}")


def parse(settings: Known, file: RawFile, grid: Grid, parsed: Parsed) -> Iterator[Piece]:
    """One file's pieces. Raises InputError for a file that cannot be used, whatever is wrong with it."""
    try:
        yield from pack(_named(file, format_of(settings).parse(file, settings)), grid, parsed)
    except OSError as error:
        raise file.bad(f"cannot be read ({error.strerror or error})") from None


def _named(file: RawFile, records: Iterable[Records]) -> Iterator[Records]:
    """``records``, whose detectors have names that a table can hold. Raises InputError where one has not."""
    known: set[str] = set()
    for part in records:
        for name in set(part.vd_ids).difference(known):
            if len(name) > LONGEST_NAME:  # a column of text is as wide as the longest
                raise file.bad(
                    f"names a detector of {len(name)} characters, {name[:40]!r}...; {LONGEST_NAME} are read"
                )
            if "\0" in name or name.encode("utf-8", "ignore").decode() != name:
                raise file.bad(f"names a detector {name[:40]!r}, which is no text")
            known.add(name)
        yield part


def parse_all(settings: Known, spool: Spool, grid: Grid) -> None:
    """Parse every file that ``spool`` does not hold yet, in their order, on all cores."""
    todo = spool.todo
    workers = min(cpus(), -(-todo // BATCH))
    with tqdm(total=todo, unit="file", desc="ingest", disable=None, smoothing=0.05) as bar:
        for file, result in _results(settings, spool.unread(), grid, workers):
            match result:
                case None:
                    _stream(settings, spool, grid, file)
                case InputError():
                    _refuse(settings, result)
                    spool.add_bad(file, result)
                case parsed, pieces:
                    spool.add(file, parsed, pieces)
            bar.update()


def _results(
    settings: Known, unread: Iterator[RawFile], grid: Grid, workers: int
) -> Iterator[tuple[RawFile, Result | None]]:
    """What workers made of each file, in the order of the files; None for one to be parsed piece by piece."""
    if workers < 2:
        yield from ((file, None) for file in unread)
        return
    pool = ProcessPoolExecutor(workers, initializer=end_with_parent)
    running: deque[tuple[list[RawFile], Future | None]] = deque()
    try:
        while True:
            while len(running) < 3 * workers and (batch := list(islice(unread, BATCH))):
                small = all(file.size <= STREAMED for file in batch)
                running.append((batch, pool.submit(_batch, settings, batch, grid) if small else None))
            if not running:
                return
            batch, future = running.popleft()
            yield from zip(batch, future.result() if future else [None] * len(batch), strict=True)
    except BrokenProcessPool:
        raise InputError(
            f"reading '{batch[0].name}' to '{batch[-1].name}' ended a process: out of memory, or a damaged file "
            "among them"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _batch(settings: Known, batch: list[RawFile], grid: Grid) -> list[Result]:
    results: list[Result] = []
    for file in batch:
        parsed = Parsed()
        try:
            results.append((parsed, list(parse(settings, file, grid, parsed))))
        except InputError as error:
            results.append(error)
    return results


def _stream(settings: Known, spool: Spool, grid: Grid, file: RawFile) -> None:
    """Parse one file here, keeping its pieces as they come."""
    parsed = Parsed()
    try:
        spool.add(file, parsed, parse(settings, file, grid, parsed))
    except InputError as error:
        _refuse(settings, error)
        spool.add_bad(file, error)


def _refuse(settings: Known, error: InputError) -> None:
    """Stop at a bad file, with what to do about it, unless bad files are to be skipped."""
    if settings.on_bad_file == "stop":
        raise InputError(f"{error}; mend or remove it, or set data.on_bad_file: skip")
