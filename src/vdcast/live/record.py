"""What was forecast, a file per issue: ``<folder>/<run>/<issue time, UTC>.parquet`` or ``.csv``, whole or not at all.

A row is one target of one VD at one time. Times are local, with their offset; ``target_time`` is the start of the
interval that is forecast, ``minutes_ahead`` how far it lies after the newest observation of any VD. ``age`` is how many
seconds before ``issue_time`` the newest observation of that VD and target ended, ``trained`` whether the weights know the
VD. What there is none of is empty.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from vdcast.data.files import replacing
from vdcast.errors import InputError, first_line
from vdcast.live.issue import SIMPLE, Issued
from vdcast.live.recent import when
from vdcast.models.shared.task import Task

SCORED = ("forecast", *SIMPLE)
NAME = "%Y-%m-%dT%H-%M-%SZ"
SUFFIXES = (".parquet", ".csv")


def path_of(folder: Path, run: str, issue: int, format: str) -> Path:
    """Where the forecast of that time lies."""
    return folder / run / f"{datetime.fromtimestamp(issue, UTC).strftime(NAME)}.{format}"


def check_name(path: Path) -> None:
    """Raises InputError for a name that says no format."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"'{path}' is to be a forecast, and ends in neither {' nor '.join(SUFFIXES)}")


def write(path: Path, issued: Issued) -> None:
    """Write ``issued`` to ``path``, as its suffix says."""
    with replacing(path) as partial:
        if path.suffix == ".csv":
            pyarrow.csv.write_csv(_as_text(_table(issued), issued.task.time_zone), partial)
        else:
            pyarrow.parquet.write_table(_table(issued), partial, write_page_checksum=True)


def _table(issued: Issued) -> pa.Table:
    """By VD, target and horizon; V * K * H rows."""
    task = issued.task
    H, V, K = issued.columns["forecast"].shape
    time = pa.timestamp("s", tz=task.time_zone)
    horizon = np.arange(1, H + 1)

    def of_each(codes: np.ndarray, names: tuple[str, ...]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(names, pa.string()))

    def number(values: np.ndarray) -> pa.Array:
        return pa.array(values, pa.float32(), from_pandas=True)  # NaN is null

    k = np.tile(np.repeat(np.arange(K), H), V)
    return pa.table(
        {
            "issue_time": pa.array(np.full(V * K * H, issued.issue), time),
            "target_time": pa.array(np.tile(issued.origin + task.interval * horizon, V * K), time),
            "minutes_ahead": pa.array(np.tile(horizon * task.interval / 60, V * K)),
            "vd": of_each(np.repeat(np.arange(V), K * H), task.vd_ids),
            "target": of_each(k, task.targets),
            "unit": of_each(k, task.units),
            **{name: number(each.transpose(1, 2, 0).ravel()) for name, each in issued.columns.items()},
            "age": number(np.repeat(issued.age.ravel(), H).astype(np.float32)),
            "trained": pa.array(np.repeat(~np.isin(task.vd_ids, task.untrained), K * H)),
        }
    )


def _as_text(table: pa.Table, time_zone: str) -> pa.Table:
    """Times as ``2026-10-01T05:00:00+08:00``: a CSV has no time zone of its own."""
    for i, name in enumerate(table.column_names):
        if name.endswith("_time"):
            seconds, at = np.unique(table[name].cast(pa.int64()).to_numpy(), return_inverse=True)
            texts = pa.array([when(int(each), time_zone) for each in seconds])
            table = table.set_column(i, name, texts.take(pa.array(at)))
        elif pa.types.is_dictionary(table[name].type):
            table = table.set_column(i, name, table[name].cast(pa.string()))
    return table


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What one file holds of the detectors and targets of a task, NaN where it has nothing."""

    issue: int  # Unix seconds
    origin: int  # Unix seconds
    columns: dict[str, np.ndarray]  # (H, V, K) of each of ``SCORED``


def kept(folder: Path, run: str, task: Task, *, since: int, until: int) -> Iterator[Kept]:
    """Every forecast of ``run`` that was issued in ``since`` to ``until``, in order. Raises InputError for a damaged file."""
    for path in sorted((folder / run).glob("*Z.*")):
        issue = _issue_of(path)
        if issue is not None and since <= issue <= until:
            yield _read(path, issue, task)


def _issue_of(path: Path) -> int | None:
    """None for a file that is none of ours."""
    try:
        moment = datetime.strptime(path.stem, NAME).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) if path.suffix in SUFFIXES else None


def _read(path: Path, issue: int, task: Task) -> Kept:
    names = ["target_time", "minutes_ahead", "vd", "target", *SCORED]
    try:
        if path.suffix == ".csv":
            types = {name: pa.float32() for name in SCORED} | {"vd": pa.string(), "target": pa.string()}
            types |= {"target_time": pa.timestamp("s", tz="UTC"), "minutes_ahead": pa.float64()}
            options = pyarrow.csv.ConvertOptions(include_columns=names, column_types=types)
            table = pyarrow.csv.read_csv(path, convert_options=options)
        else:
            table = pyarrow.parquet.read_table(path, columns=names, page_checksum_verification=True)
        moments = table["target_time"].cast(pa.timestamp("s", tz="UTC"))  # parquet has no seconds
        seconds = moments.cast(pa.int64()).to_numpy()
        steps = 60 * table["minutes_ahead"].to_numpy() / task.interval
        columns = {name: table[name].to_numpy() for name in SCORED}
        place = [
            _places(table[name], wanted) for name, wanted in (("vd", task.vd_ids), ("target", task.targets))
        ]
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise InputError(f"'{path}' is no forecast of vdcast's ({first_line(error)}); remove it") from None
    horizon = np.rint(steps).astype(int)
    origins = np.unique(seconds - task.interval * horizon)
    ahead = np.unique(
        steps
    )  # 1, 2, 3, ...: hours are not every fourth quarter of an hour, but another quantity
    if len(origins) != 1 or not np.allclose(ahead, np.arange(1, 1 + len(ahead))):
        raise InputError(
            f"'{path}' is no forecast of steps of {task.interval} s; was the run trained anew on other steps?"
        )
    v, k = place
    of_ours = (v >= 0) & (k >= 0) & (horizon <= task.horizon)
    at = (horizon[of_ours] - 1, v[of_ours], k[of_ours])
    shape = (task.horizon, len(task.vd_ids), len(task.targets))
    laid = {name: np.full(shape, np.nan, np.float32) for name in SCORED}
    for name, array in laid.items():
        array[at] = columns[name][of_ours]
    return Kept(issue=issue, origin=int(origins[0]), columns=laid)


def _places(column: pa.ChunkedArray, names: tuple[str, ...]) -> np.ndarray:
    """Where each entry stands in ``names``; -1 for one that does not."""
    found = pyarrow.compute.index_in(column.cast(pa.string()), value_set=pa.array(names, pa.string()))
    return found.fill_null(-1).to_numpy()
