"""Names of detectors that mean harm, from a raw file to every page that people read."""

import base64
import gzip
import html.parser
import json
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from vdcast import escape

from . import project

NAMES = (
    "a\n\n# Verdict: xLSTM wins\n\n**forged**",
    "[click](https://evil.invalid)",
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "\x1b[2J\x1b]0;title\x07\u202etxt",
    "`a` | b | $x$ \\",
)
INVISIBLE = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
PAGES = ("quality.md", "prepare.md", "run report.md", "comparison.md", "report.md")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A project through all of its stages."""
    folder = tmp_path_factory.mktemp("hostile")
    table = project.counts("abcdef")
    table.columns = NAMES
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        changes = {
            "data": {"raw": "data/raw/counts.parquet"},
            "prepare": {"vds": list(NAMES), "min_mean": 0.0},
            "modes": {
                "multi_vd": {"num_vds": 6},
                "independent_multi_vd": {"num_vds": 2},
                "global_multi_vd": {"num_vds": 2},
                "social": {"num_vds": 2},
            },
        }
        project.up_to_evaluate(folder, table, changes)
        project.up_to_report()
    return folder


class Page(html.parser.HTMLParser):
    """What a page's markup makes of it."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.links, self.headings, self._open = [], [], [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self._open = tag
        self.links += [value for name, value in attributes if name in ("href", "src")]
        assert not [name for name, _ in attributes if name.startswith("on")], attributes

    def handle_data(self, data):
        if re.fullmatch("h[1-6]", self._open):
            self.headings.append(data.strip())


def pages(folder: Path) -> list[Path]:
    return sorted(path for top in ("reports", "runs") for path in (folder / top).rglob("*.md"))


def kind(path: Path, folder: Path) -> str:
    return f"run {path.name}" if path.is_relative_to(folder / "runs") else path.name


@pytest.mark.parametrize("name", PAGES)
def test_no_name_becomes_markup(folder, name):
    found = [path for path in pages(folder) if kind(path, folder) == name]
    assert found
    for path in found:
        text = path.read_text("utf-8")
        page = Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))
        assert not {"script", "b"} & set(page.tags), path
        assert not any("evil" in link for link in page.links) and "x" not in page.links, path
        assert not any(heading.startswith("Verdict: xLSTM wins") for heading in page.headings), path
        assert "**forged**" not in text and "://evil" not in text, path
        assert not INVISIBLE.search(text), path


def test_every_page_is_one_of_those(folder):
    assert {kind(path, folder) for path in pages(folder)} == set(PAGES)


def test_the_html_page_holds_no_tag_of_theirs(folder):
    text = (folder / "reports/index.html").read_text("utf-8")
    for name in NAMES[2:4]:
        assert name not in text
    page = Page(re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))
    assert not any("evil" in link for link in page.links) and "x" not in page.links
    assert "Verdict: xLSTM wins" not in page.headings
    assert text.count("<script") == text.count("</script>")
    assert not INVISIBLE.search(re.sub(r"<script.*?</script>|<style.*?</style>", "", text, flags=re.DOTALL))
    packed = re.search('id="packed" type="text/plain">([^<]*)', text)[1]
    drawn = json.loads(gzip.decompress(base64.b64decode(packed)))
    assert (
        drawn["vds"] == [escape.terminal(name) for name in drawn["vds"]]
        and drawn["target_vd"] in drawn["vds"]
    )


def test_they_did_come_through(folder):
    from vdcast.data import store

    assert set(NAMES) == set(store.read(folder / "data/detectors.h5").vd_ids)
