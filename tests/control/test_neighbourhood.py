"""Who hears of whom, for the map."""

import numpy as np
import pytest

from tests.models.shared.test_neighbours import DEGREE, part, settings
from vdcast.control.neighbourhood import neighbourhood


def test_links_are_those_that_a_network_hears_of():
    """300 and 600 m apart on the equator; sigma is the root mean square of what is heard of."""
    found = neighbourhood(
        part([0, 300 / DEGREE, 900 / DEGREE, float("nan")], [0, 0, 0, 0]), settings(neighbours=1, radius=700)
    )
    assert list(zip(found.of, found.near, strict=True)) == [(0, 1), (1, 0), (2, 1)]
    sigma2 = (300**2 + 300**2 + 600**2) / 3
    weights = [2.718281828 ** (-(d**2) / sigma2) for d in (300, 300, 600)]
    assert found.weight == pytest.approx(weights, abs=1e-4)
    assert found.lon[3] is None and found.lat[3] is None and found.lon[0] == 0
    assert (found.most, found.radius, found.direction) == (1, 700, "any")


def test_upstream_and_downstream_are_links_alike():
    info = {name: np.array([each] * 3, object) for name, each in (("road", "1"), ("direction", "E"))}
    found = neighbourhood(
        part(np.array([0, 300, 600]) / DEGREE, [0, 0, 0], **info), settings(direction="same_road")
    )
    assert sorted(zip(found.of, found.near, strict=True)) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
