"""Who hears of whom, for the map: neighbours and where they are."""

import numpy as np

from vdcast.data.detectors import Detectors
from vdcast.models.shared.neighbours import coordinates, neighbours_of
from vdcast.params.modes import Social
from vdcast.records.control import Neighbourhood


def neighbourhood(part: Detectors, settings: Social) -> Neighbourhood:
    """Of the detectors of ``part``, as a network hears of them: they do not depend on its model or seed."""
    near = neighbours_of(part, settings)
    of, relation, place = np.nonzero(np.isfinite(near.kernel))
    lon, lat = coordinates(part)
    return Neighbourhood(
        lon=_known(lon),
        lat=_known(lat),
        of=of.tolist(),
        near=near.index[of, relation, place].tolist(),
        weight=[round(float(weight), 4) for weight in np.exp(near.kernel[of, relation, place])],
        most=settings.neighbours,
        radius=settings.radius,
        direction=settings.direction,
    )


def _known(degrees: np.ndarray) -> list[float | None]:
    return [round(value, 6) if np.isfinite(value) else None for value in degrees.tolist()]
