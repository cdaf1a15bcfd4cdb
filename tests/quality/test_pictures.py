"""The pictures of quality.md, as matplotlib was told to draw them."""

import numpy as np
import pytest

from vdcast.language import speaking
from vdcast.quality import pictures
from vdcast.scores import fonts

from .made import of_series, quality

FOUND = quality(
    [
        of_series("A", "volume", missing=0.2, by_cause={"gap": 0.2}),
        of_series("A", "speed", missing=0.1, by_cause={"code": 0.1}),
        of_series("B", "volume", missing=0.4, by_cause={"gap": 0.1, "status": 0.3}),
        of_series("B", "speed"),
    ]
)


@pytest.fixture
def drawn(monkeypatch):
    """The figures, in place of files."""
    figures = []
    monkeypatch.setattr(pictures, "_save", lambda figure, _: figures.append(figure))
    return figures


def test_a_row_of_the_map_is_a_detector(drawn, tmp_path):
    pictures.coverage(tmp_path / "coverage.png", FOUND)
    volume, speed = (axis.images[0].get_array() for axis in drawn[0].axes[:2])
    np.testing.assert_allclose(volume, [[0.8], [0.6]], atol=0.5 / 255)
    np.testing.assert_allclose(speed, [[0.9], [1.0]], atol=0.5 / 255)
    assert [label.get_text() for label in drawn[0].axes[1].get_xticklabels()] == [
        "2026-10-01 05:00",
        "2026-10-01 06:39",
    ]


def test_the_detector_that_lacks_most_is_the_first(drawn, tmp_path):
    """B lacks 0.4 of volume, of which a tenth is a gap and the rest, on top of it, the status."""
    pictures.missing(tmp_path / "missing.png", FOUND)
    volume = drawn[0].axes[0]
    tops = [stack.get_paths()[0].vertices[:, 1].max() for stack in volume.collections]
    assert tops == pytest.approx([0.2, 0.2, 0.2, 0.2, 0.2, 0.4])
    at_b = [
        path.vertices[(path.vertices[:, 0] < 1), 1].max()
        for path in (it.get_paths()[0] for it in volume.collections)
    ]
    assert at_b == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.1, 0.4])
    assert [text.get_text() for text in volume.get_legend().get_texts()][2] == "no vehicle"


@pytest.mark.parametrize("draw", [pictures.coverage, pictures.missing])
@pytest.mark.filterwarnings("error:Glyph")
def test_the_same_data_gives_the_same_bytes_in_every_language(tmp_path, draw):
    for name in ("one.png", "two.png"):
        draw(tmp_path / name, FOUND)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    with speaking("zh-Hant"):
        draw(tmp_path / "three.png", FOUND)
        told = fonts.installed("zh-Hant") is not None
    assert ((tmp_path / "three.png").read_bytes() != (tmp_path / "one.png").read_bytes()) == told
