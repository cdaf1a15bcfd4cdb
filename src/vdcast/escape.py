"""Text from data (names of detectors, roads, files, units) on its way to people: it stays text, whatever it says.

One rule. What cannot be seen, or changes how the rest is seen (control characters, line ends, marks of direction), is
written out as ``\\x1b`` or ``\\u202e`` everywhere. What the page would take for its own markup is written in that page's
way. Text that needs neither stays as it is, and records (JSON, h5) hold it as it came: it is escaped where a page is
written, once. No name from data becomes part of a path, so there is no rule for those.
"""

import html as _html
import re
import unicodedata
from collections.abc import Callable

_UNSEEN = {
    "Cc",
    "Cf",
    "Cs",
    "Zl",
    "Zp",
}  # Unicode's: control, format, surrogate, line and paragraph separator
# What Markdown, GitHub's included, makes something of inside a line: code, emphasis, links, tags, entities, cells,
# formulas, addresses, ...
_INLINE = re.compile(r"[\\`*~\[\]<>|$@^]|&(?=#?\w)|(?<!\w)_|_(?!\w)|:(?=//)|(?<=www)\.", re.IGNORECASE)
# ... of which our own sentences keep the commands they name, and a bound on p: no name can do harm with either
_OURS = re.compile(rf"((?<!`)`[\w ./@=-]+`(?!`)|<(?=\d))|{_INLINE.pattern}", re.IGNORECASE)
# ... and only where a line begins with it: headings, lists, rules
_FIRST = re.compile(r"\s+|[#+=-]|(?<=\d)[.)]")
_NUMBERED = re.compile(r"\d{1,9}[.)]")


def terminal(text: str) -> str:
    """``text`` on one line of a terminal or a log, as which it can neither move the cursor nor hide a part of itself."""
    if text.isprintable():
        return text
    return "".join(_seen(letter) if unicodedata.category(letter) in _UNSEEN else letter for letter in text)


def markdown(text: str) -> str:
    """``text`` in a paragraph, a list or a table of Markdown: no link, no picture, no tag, no heading, no new line."""
    return _marked(terminal(text), _INLINE, _entity)


def prose(text: str) -> str:
    """``markdown`` of a sentence of ours, as records hold it, with names in it: `` `dvc repro` `` and ``<1e-6`` stay."""
    return _marked(terminal(text), _OURS, lambda found: found[1] or _entity(found))


def html(text: str) -> str:
    """``text`` between tags or in a quoted attribute of HTML, for pages whose templates do not escape by themselves."""
    return _html.escape(terminal(text))


def plot(text: str) -> str:
    """``text`` in a figure of matplotlib, which takes what stands between two ``$`` for a formula."""
    return terminal(text).replace("$", r"\$")


def _marked(text: str, marks: re.Pattern, written: Callable[[re.Match], str]) -> str:
    """``text`` with its ``marks`` as ``written`` has them, and without what a line could begin with."""
    if found := _FIRST.match(text) or (_NUMBERED.match(text) and re.search(r"[.)]", text)):
        at = found.start()
        return text[:at] + "".join(map(_entity, found[0])) + marks.sub(written, text[found.end() :])
    return marks.sub(written, text)


def _seen(letter: str) -> str:
    number = ord(letter)
    return (
        f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"
    )


def _entity(found: re.Match | str) -> str:
    """As a number: HTML, and Markdown with it, takes no such character for markup."""
    return "".join(f"&#{ord(letter)};" for letter in (found if isinstance(found, str) else found[0]))
