from dataclasses import replace

import numpy as np
import pytest

from tests.models.shared.test_windows import table
from vdcast.data.detectors import Detectors
from vdcast.errors import InputError
from vdcast.models.shared.neighbours import EARTH, Neighbours, neighbours_of
from vdcast.params.modes import Social

DEGREE = EARTH * np.pi / 180  # metres, along the equator or a meridian


def part(lon, lat, **info) -> Detectors:
    made = table(np.zeros((3, len(lon), 1)))
    return replace(made, info={"lon": np.array(lon, float), "lat": np.array(lat, float), **info})


def settings(**changes) -> Social:
    usual = dict(num_vds=9, neighbours=8, radius=2000, weights="gaussian", direction="any")
    return Social(**usual | changes)


def found(neighbours: Neighbours, v: int, r: int = 0) -> list[int]:
    """Of detector v, nearest first."""
    there = np.isfinite(neighbours.kernel[v, r])
    assert (neighbours.index[v, r][~there] == v).all()
    return neighbours.index[v, r][there].tolist()


def test_distances_and_weights_by_hand():
    """On the equator 1000 m and on the meridian 800 m apart; sigma is the root mean square of 800, 1000, sqrt(164) 100."""
    made = neighbours_of(part([0, 1000 / DEGREE, 0, 50], [0, 0, 800 / DEGREE, 10]), settings())
    assert [found(made, v) for v in range(4)] == [[2, 1], [0, 2], [0, 1], []]
    sigma2 = (800**2 + 1000**2 + (800**2 + 1000**2)) / 3
    np.testing.assert_allclose(made.kernel[0, 0, :2], [-(800**2) / sigma2, -(1000**2) / sigma2], rtol=1e-6)


def test_the_nearest_are_taken_and_of_those_as_near_the_first_by_name():
    lon = np.array([0, -300, 300, 200, 5000]) / DEGREE
    made = neighbours_of(part(lon, np.zeros(5)), settings(neighbours=2, radius=400))
    assert found(made, 0) == [3, 1], "v1 and v2 are as near"
    assert made.index.shape == (5, 1, 2)


def test_a_gaussian_weight_below_a_tenth_is_none():
    """Thirty pairs a metre apart and one at 1900 m: sigma is 341 m, and exp(-31) is none."""
    lon = (
        np.concatenate([np.arange(30) * 5000 + 0.0, np.arange(30) * 5000 + 1.0, [29 * 5000 + 1900.0]])
        / DEGREE
    )
    made = neighbours_of(part(lon, np.zeros(61)), settings())
    assert found(made, 0) == [30] and found(made, 60) == []


def test_across_the_antimeridian_and_over_the_pole():
    west, east = 180 - 300 / DEGREE, -180 + 300 / DEGREE
    made = neighbours_of(
        part([west, east, 0, 180], [0, 0, 90 - 200 / DEGREE, 90 - 100 / DEGREE]), settings(radius=700)
    )
    assert [found(made, v) for v in range(4)] == [[1], [0], [3], [2]]
    sigma2 = (600**2 + 300**2) / 2
    np.testing.assert_allclose(made.kernel[[0, 2], 0, 0], [-(600**2) / sigma2, -(300**2) / sigma2], rtol=1e-5)


def test_detectors_at_one_place_are_neighbours_of_full_weight():
    made = neighbours_of(part([0, 0, 0.5, 0.5], [0, 0, 0, 0]), settings())
    assert [found(made, v) for v in range(4)] == [[1], [0], [3], [2]]
    assert (made.kernel[:, 0, 0] == 0).all()


def test_a_detector_without_coordinates_has_no_neighbours_and_is_named():
    made = neighbours_of(part([0, np.nan, 0, 5], [0, 0, 0.01, 0]), settings())
    assert made.lost == ("v1",) and found(made, 1) == [] and found(made, 0) == [2]


def test_on_a_road_upstream_and_downstream_are_kept_apart():
    """Southbound, north to south: v0, v1, v2; v3 is the other carriageway, v4 another road, v5 of no known direction."""
    lat = 25 - np.array([0, 500, 1100, 500, 500, 600]) / DEGREE
    info = dict(
        road=np.array(["1", "1", "1", "1", "3", "1"], object),
        direction=np.array(["S", "S", "S", "N", "S", ""], object),
    )
    made = neighbours_of(part(np.full(6, 121.0), lat, **info), settings(direction="same_road"))
    assert made.index.shape == (6, 2, 8)
    assert [(found(made, v, 0), found(made, v, 1)) for v in range(3)] == [
        ([], [1, 2]),
        ([0], [2]),
        ([1, 0], []),
    ]
    assert all(found(made, v, r) == [] for v in (3, 4, 5) for r in (0, 1))


@pytest.mark.parametrize("direction, downstream", [("Südwest", 1), ("nordost", 0), ("NE", 0), ("Southbound", 1), ("SB", 1)])  # fmt: skip
def test_headings_as_tables_write_them(direction, downstream):
    info = {name: np.array([each] * 2, object) for name, each in (("road", "A"), ("direction", direction))}
    made = neighbours_of(part([13.0, 12.99], [52.0, 51.99], **info), settings(direction="same_road"))
    assert found(made, 0, downstream) == [1] and found(made, 0, 1 - downstream) == []


def test_the_order_of_the_table_does_not_matter():
    rng = np.random.default_rng(0)
    lon, lat = rng.uniform(0, 0.05, (2, 40)).round(2)  # many at one place
    plain = part(lon, lat)
    order = rng.permutation(40)
    shuffled = plain.select([plain.vd_ids[v] for v in order], plain.features)
    one, other = (neighbours_of(each, settings(neighbours=4)) for each in (plain, shuffled))
    np.testing.assert_array_equal(one.kernel[order], other.kernel)
    np.testing.assert_array_equal(one.index[order], order[other.index])


@pytest.mark.parametrize(
    "lon, lat, changes, sentence",
    [
        ([np.nan] * 3, [np.nan] * 3, {}, "0 of the 3 detectors of test have a longitude"),
        ([25, 25.1, 25.2], [121, 121.1, 121.2], {}, "see that they are not swapped"),
        ([121, 121, 121], [25, 25, 25], {}, "all 3 detectors of test lie within a metre of each other"),
        ([0, 0.1, 0.3], [0, 0, 0], {"radius": 60}, r"radius = 60 is in metres; no two detectors of test lie within it, the nearest two are 11120 m apart"),
        ([0, 0.1, 0.3], [0, 0, 0], {"radius": 1e6, "neighbours": 1}, "radius = 1e.06 is in metres; all 3 detectors of test lie within it"),
        ([0, 0.001, 0.3], [0, 0, 0], {"direction": "same_road"}, "no two detectors of test within 2000 m share a road and a direction"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_one_sentence(lon, lat, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        neighbours_of(part(lon, lat), settings(**changes))


def test_data_without_coordinates_is_one_sentence():
    with pytest.raises(
        InputError, match="mode social needs coordinates; .*|mode social needs coordinates: 0 of the 2"
    ):
        neighbours_of(table(np.zeros((3, 2, 1))), settings())


@pytest.mark.parametrize("radius", [2, 10.5, 0, -2000])
def test_a_radius_in_kilometres_is_refused_even_where_two_detectors_share_a_place(radius):
    with pytest.raises(ValueError, match="is in metres, at least 50; two kilometres are 2000"):
        settings(radius=radius)
