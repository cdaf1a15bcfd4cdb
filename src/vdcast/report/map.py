"""Where detectors are and which hear of which, as a map of plain lines: no tiles, no network."""

import math
from dataclasses import dataclass

import numpy as np

from vdcast.records.control import Neighbourhood

EARTH = 6_371_008.8  # metres: the mean radius
SIDE = 20_000  # units of the longer side: whole numbers do, however close one looks
EDGE = 0.02  # of a side, around the outermost detectors
HEIGHT = 576  # pixels of a map that has the room
DOTS = (2.0, 7.0)  # pixels across, so that links show between them
BAR = 0.3  # the scale bar is no longer than this share of the width
STRONG, MIDDLE = 0.7, 0.4  # weights from which a link is drawn thick, and less so


@dataclass(frozen=True, kw_only=True)
class Map:
    """In whole units, x to the east and y to the south."""

    width: int
    height: int
    links: dict[str, str]  # one path by how strong they are
    dots: list[tuple[int, int, int, int]]  # number of the VD, x, y, and of how many others it hears
    lost: list[int]  # numbers of those that nobody knows the place of
    unit: float  # metres of one
    dot: float  # pixels across
    bar: float  # metres of the scale bar
    bar_left: bool  # whether there is more room for it than on the right

    @property
    def bar_share(self) -> float:
        """Of the width."""
        return self.bar / self.unit / self.width

    @property
    def bar_label(self) -> str:
        return f"{self.bar / 1000:g} km" if self.bar >= 1000 else f"{self.bar:g} m"


def map_of(it: Neighbourhood) -> Map:
    east, south = metres(np.array(it.lon, float), np.array(it.lat, float))
    known = np.flatnonzero(np.isfinite(east))
    size = np.array([np.ptp(each[known]) for each in (east, south)])
    edge = EDGE * size.max()
    unit = (size.max() + 2 * edge) / SIDE
    width, height = (math.ceil(each) for each in (size + 2 * edge) / unit)
    x, y = (np.rint((each - each[known].min() + edge) / unit) for each in (east, south))
    heard = np.bincount(it.of, minlength=len(east))
    return Map(
        width=width,
        height=height,
        links=links_of(it, x, y),
        dots=[(int(v), int(x[v]), int(y[v]), int(heard[v])) for v in known],
        lost=[int(v) for v in np.flatnonzero(~np.isfinite(east))],
        unit=float(unit),
        dot=dot_of(it, x, y, HEIGHT / height),
        bar=round_below(BAR * width * unit),
        bar_left=bool(
            np.nansum((y > 0.9 * height) & (x < width / 2)) < np.nansum((y > 0.9 * height) & (x > width / 2))
        ),
    )


def metres(lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """To the east and to the south of their middle, (V,) each: a plane that is true in the middle, on either side of 180 degrees."""
    turn = np.exp(1j * np.radians(lon))
    middle = np.angle(np.nanmean(turn))
    centre = np.radians((np.nanmin(lat) + np.nanmax(lat)) / 2)
    return EARTH * np.angle(turn * np.exp(-1j * middle)) * np.cos(centre), EARTH * (centre - np.radians(lat))


def links_of(it: Neighbourhood, x: np.ndarray, y: np.ndarray) -> dict[str, str]:
    """A link that both ends hear of is drawn once."""
    weights: dict[tuple[int, int], float] = {}
    for i, j, weight in zip(it.of, it.near, it.weight, strict=True):
        ends = (min(i, j), max(i, j))
        weights[ends] = max(weight, weights.get(ends, 0.0))
    paths: dict[str, list[str]] = {"weak": [], "middle": [], "strong": []}
    for (i, j), weight in weights.items():
        name = "strong" if weight >= STRONG else "middle" if weight >= MIDDLE else "weak"
        paths[name].append(f"M{x[i]:.0f} {y[i]:.0f}L{x[j]:.0f} {y[j]:.0f}")
    return {name: "".join(each) for name, each in paths.items()}


def dot_of(it: Neighbourhood, x: np.ndarray, y: np.ndarray, pixels: float) -> float:
    """A third of the usual link, which is as many ``pixels`` long as it has units; without any, the largest."""
    length = np.hypot(x[it.of] - x[it.near], y[it.of] - y[it.near])
    usual = np.median(length[length > 0]) if (length > 0).any() else np.inf
    return float(np.clip(usual * pixels / 3, *DOTS))


def round_below(length: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is no longer."""
    power = 10.0 ** math.floor(math.log10(length))
    return max(step * power for step in (1, 2, 5) if step * power <= length)
