"""Which detectors lie near each other, by their coordinates; no road graph is asked for.

Shapes: V detectors, relations (1: near; or 2: upstream and downstream on the same road), near: neighbours in each.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.params.modes import Social

EARTH = 6_371_008.8  # metres: the mean radius
LEAST = 0.1  # a Gaussian weight below it is none, as in Li et al. 2018 (DCRNN)
COMPASS = re.compile(
    r"(?P<north>n(orth|ord)?)?(?P<south>s(outh|üd)?)?(?P<east>e(ast)?|o(st)?)?(?P<west>w(est)?)?(b|bound)?"
)


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Of each detector the nearest ones in each relation, nearest first."""

    index: np.ndarray  # (V, relations, near) int64 by number; the detector itself where it has fewer
    # (V, relations, near) float32 -(d / sigma)^2, the logarithm of the Gaussian weight; -inf where fewer
    kernel: np.ndarray
    learned: bool  # whether attention weighs them, which starts from the Gaussian weights
    lost: tuple[str, ...]  # detectors without coordinates, which have no neighbours

    def content(self) -> dict[str, Any]:
        """As arrays, numbers and text, for a file; ``of`` reads it."""
        return {"index": self.index, "kernel": self.kernel, "learned": self.learned, "lost": list(self.lost)}

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Neighbours":
        index, kernel = (np.asarray(content[name]) for name in ("index", "kernel"))
        return cls(index=index, kernel=kernel, learned=content["learned"], lost=tuple(content["lost"]))


@dataclass(frozen=True)
class Pairs:
    """Detectors within reach of each other, both ways round."""

    of: np.ndarray  # (pairs,) by number
    near: np.ndarray  # (pairs,) the other one
    metres: np.ndarray  # (pairs,)

    def taken(self, some: np.ndarray) -> "Pairs":
        return Pairs(self.of[some], self.near[some], self.metres[some])


def neighbours_of(part: Detectors, settings: Social) -> Neighbours:
    """Of each detector of ``part`` up to ``settings.neighbours`` within ``settings.radius`` metres.

    Weights are exp(-(d / sigma)^2) with sigma the root mean square distance of all these pairs; pairs below ``LEAST``
    are left out. With ``direction: same_road``, only detectors of one road and direction are neighbours, and those
    upstream are kept apart from those downstream. Raises InputError where coordinates or radius cannot be meant.
    """
    lon, lat = coordinates(part)
    pairs = _within(part, lon, lat, settings)
    # whoever is as near is taken by name, whatever the order of the table
    names = np.argsort(np.argsort(part.vd_ids))
    relation = np.zeros(len(pairs.of), int)
    if settings.direction == "same_road":
        ahead, same = _along_the_road(part, lon, lat, pairs)
        if not same.any():
            raise InputError(
                f"modes.social.direction = 'same_road': no two detectors of {part.source} within "
                f"{settings.radius:g} m share a road and a direction such as N, SW or 'Nordost'; take 'any'"
            )
        pairs, relation = pairs.taken(same), ahead[same].astype(int)
    order = np.lexsort([names[pairs.near], pairs.metres, relation, pairs.of])
    pairs, relation = pairs.taken(order), relation[order]
    place = _place(pairs.of * 2 + relation)
    near = place < settings.neighbours
    pairs, relation, place = pairs.taken(near), relation[near], place[near]
    sigma = np.sqrt(np.mean(pairs.metres**2)) or 1.0
    kernel = -((pairs.metres / sigma) ** 2)

    V, relations = len(part.vd_ids), 1 if settings.direction == "any" else 2
    cells = np.where(kernel >= np.log(LEAST))[0]
    shape = (V, relations, settings.neighbours)
    index = np.broadcast_to(np.arange(V)[:, None, None], shape).copy()
    log_weight = np.full(shape, -np.inf, np.float32)
    where = pairs.of[cells], relation[cells], place[cells]
    index[where], log_weight[where] = pairs.near[cells], kernel[cells]
    lost = tuple(vd for vd, known in zip(part.vd_ids, np.isfinite(lon), strict=True) if not known)
    return Neighbours(index=index, kernel=log_weight, learned=settings.weights == "attention", lost=lost)


def coordinates(part: Detectors) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude (V,) in degrees; both NaN where one is not known or impossible."""
    unknown = np.full(len(part.vd_ids), np.nan)
    lon, lat = (np.asarray(part.info.get(name, unknown), float) for name in ("lon", "lat"))
    known = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
    return np.where(known, lon, np.nan), np.where(known, lat, np.nan)


def _within(part: Detectors, lon: np.ndarray, lat: np.ndarray, settings: Social) -> Pairs:
    """All pairs within the radius. Raises InputError where that cannot be meant."""
    known = np.flatnonzero(np.isfinite(lon))
    if len(known) < 2:
        raise InputError(
            f"mode social needs coordinates: {len(known)} of the {len(lon)} detectors of {part.source} have a longitude "
            "within 180 and a latitude within 90 degrees; name a data.vd_list that holds lon and lat, and see that they "
            "are not swapped"
        )
    at = _on_the_sphere(lon[known], lat[known])
    from scipy.spatial import cKDTree  # a quarter of a second that a forecast does not wait for

    tree = cKDTree(at)
    farthest = 2 * _metres(np.linalg.norm(at - at.mean(0), axis=1).max())  # at most so far apart
    if farthest < 1:
        raise InputError(
            f"mode social needs coordinates: all {len(known)} detectors of {part.source} lie within a metre of each "
            "other; look into data.vd_list"
        )
    reach = 2 * np.sin(min(settings.radius / EARTH, np.pi) / 2)
    found = tree.query_pairs(reach, output_type="ndarray")
    if not len(found):
        nearest = _metres(tree.query(at, k=2)[0][:, 1].min())
        raise InputError(
            f"modes.social.radius = {settings.radius:g} is in metres; no two detectors of {part.source} lie within it, "
            f"the nearest two are {nearest:.0f} m apart"
        )
    if len(found) == len(known) * (len(known) - 1) // 2 and settings.neighbours + 1 < len(known):
        raise InputError(
            f"modes.social.radius = {settings.radius:g} is in metres; all {len(known)} detectors of {part.source} lie within it "
            f"of each other, at most {farthest:.0f} m apart; take one that leaves some out"
        )
    i, j = known[found.T]
    metres = _metres(np.linalg.norm(at[found[:, 0]] - at[found[:, 1]], axis=1))
    return Pairs(np.concatenate([i, j]), np.concatenate([j, i]), np.concatenate([metres, metres]))


def _on_the_sphere(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """(V, 3) unit vectors: chords know no antimeridian and no pole."""
    lon, lat = np.radians(lon), np.radians(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _metres(chord: np.ndarray) -> np.ndarray:
    """Along the sphere (haversine), of a chord of the unit sphere."""
    return 2 * EARTH * np.arcsin(np.minimum(chord / 2, 1))


def _place(sorted_groups: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each run of equal numbers."""
    starts = np.flatnonzero(np.diff(sorted_groups, prepend=-1))
    return np.arange(len(sorted_groups)) - np.repeat(starts, np.diff(starts, append=len(sorted_groups)))


def _along_the_road(
    part: Detectors, lon: np.ndarray, lat: np.ndarray, pairs: Pairs
) -> tuple[np.ndarray, np.ndarray]:
    """Whether each pair's other detector lies downstream, and whether both are of one road and known direction."""
    nothing = np.full(len(part.vd_ids), "")
    road, direction = (np.asarray(part.info.get(name, nothing)).astype("U") for name in ("road", "direction"))
    heading = np.array([_heading(each) for each in direction])  # (V, 2) east, north
    i, j = pairs.of, pairs.near
    same = (road[i] != "") & (road[i] == road[j]) & (direction[i] == direction[j]) & heading[i].any(axis=1)
    east = (lon[j] - lon[i] + 180) % 360 - 180
    way = np.stack([east * np.cos(np.radians(lat[i])), lat[j] - lat[i]], axis=1)
    return (way * heading[i]).sum(axis=1) > 0, same


def _heading(direction: str) -> tuple[int, int]:
    """East and north, -1 to 1; (0, 0) for what names no point of the compass."""
    found = COMPASS.fullmatch(direction.strip().casefold())
    if not found:
        return 0, 0
    north, south, east, west = (bool(found[name]) for name in ("north", "south", "east", "west"))
    return east - west, north - south
