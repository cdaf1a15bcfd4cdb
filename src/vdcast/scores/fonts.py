"""In which language a picture can be drawn: matplotlib shows a box for every letter that its font lacks."""

import functools
import sys
from collections.abc import Callable
from functools import cache

from matplotlib import font_manager, rc_context

from vdcast.language import Language, say, speaking, spoken

# The first one that is installed; English is drawn in matplotlib's own.
FONTS: dict[Language, tuple[str, ...]] = {
    "zh-Hant": ("Noto Sans CJK TC", "Noto Sans TC", "Noto Serif CJK TC", "Noto Serif TC")
}


def legible(draw: Callable[..., None]) -> Callable[..., None]:
    """``draw`` in the language that is spoken where a font has its letters, in English elsewhere."""

    @functools.wraps(draw)
    def drawn(*given, **named) -> None:
        language = spoken()
        font = installed(language) if language in FONTS else None
        if font:
            with rc_context({"font.family": [font]}):
                draw(*given, **named)
        else:
            with speaking("en"):
                draw(*given, **named)

    return drawn


@cache
def installed(language: Language) -> str | None:
    """The font for ``language``; without one, that is said once, and what to do."""
    names = {font.name for font in font_manager.fontManager.ttflist}
    for name in FONTS[language]:
        if name in names:
            return name
    print(say("scores.no_font", font=FONTS[language][0]), file=sys.stderr)
    return None
