"""The map: where detectors are and which hear of which, in plain lines."""

import numpy as np
import pytest

from vdcast.records.control import Neighbourhood
from vdcast.report.map import DOTS, EARTH, SIDE, map_of, metres, round_below

DEGREE = EARTH * np.pi / 180


def heard(lon, lat, links=()) -> Neighbourhood:
    """With ``links`` (of, near, weight)."""
    of, near, weight = map(list, zip(*links, strict=True)) if links else ([], [], [])
    return Neighbourhood(
        lon=lon, lat=lat, of=of, near=near, weight=weight, most=8, radius=2000.0, direction="any"
    )


def test_east_is_right_and_north_is_up():
    """1000 m to the east and 500 m to the north of each other, and an edge of 2 % of the longer side all around."""
    found = map_of(heard([0.0, 1000 / DEGREE], [0.0, 500 / DEGREE]))
    assert found.width == SIDE and found.height == pytest.approx(SIDE * (500 + 40) / 1040, abs=1)
    assert found.unit == pytest.approx(1040 / SIDE)
    (_, x0, y0, _), (_, x1, y1, _) = found.dots
    assert (x1 - x0) * found.unit == pytest.approx(1000, abs=0.1) and x0 * found.unit == pytest.approx(
        20, abs=0.1
    )
    assert (y0 - y1) * found.unit == pytest.approx(500, abs=0.1), "the northern one is above"


def test_the_antimeridian_parts_no_neighbours():
    east, _ = metres(np.array([179.999, -179.999]), np.zeros(2))
    assert east[1] - east[0] == pytest.approx(0.002 * DEGREE)


def test_in_the_north_a_degree_to_the_east_is_shorter():
    east, south = metres(np.array([0, 1.0, np.nan]), np.array([60, 60.0, np.nan]))
    assert east[1] - east[0] == pytest.approx(DEGREE / 2) and south[0] == pytest.approx(0)


def test_a_link_that_both_ends_hear_of_is_drawn_once_as_strong_as_it_weighs():
    links = [(0, 1, 0.9), (1, 0, 0.9), (1, 2, 0.5), (2, 0, 0.1)]
    found = map_of(heard([0.0, 0.01, 0.02], [0.0, 0.0, 0.0], links))
    ends = [f"{x} {y}" for _, x, y, _ in found.dots]
    assert found.links == {
        "strong": f"M{ends[0]}L{ends[1]}",
        "middle": f"M{ends[1]}L{ends[2]}",
        "weak": f"M{ends[0]}L{ends[2]}",
    }
    assert [number for *_, number in found.dots] == [1, 2, 1], "of how many each hears"


def test_what_has_no_coordinates_is_not_drawn():
    found = map_of(heard([0.0, None, 0.01], [0.0, None, 0.0]))
    assert [v for v, *_ in found.dots] == [0, 2] and found.lost == [1]
    assert found.dot == DOTS[1], "no link to leave room for"


@pytest.mark.parametrize(
    ("length", "expected"), [(999, 500), (500, 500), (499, 200), (1.7, 1), (123456, 100000)]
)
def test_a_scale_bar_is_1_2_or_5_times_a_power_of_ten(length, expected):
    assert round_below(length) == expected


def test_the_scale_bar_says_how_long_it_is():
    found = map_of(heard([0.0, 10000 / DEGREE], [0.0, 0.0]))
    assert found.bar_label == "2 km" and found.bar_share == pytest.approx(2000 / 10400, rel=1e-3)
    near = map_of(heard([0.0, 1000 / DEGREE], [0.0, 0.0]))
    assert near.bar_label == "200 m"
