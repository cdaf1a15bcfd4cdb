"""Text from data on its way to people: harmless, legible, and as it was where it was harmless."""

import html.parser
import random

import pytest
from markdown_it import MarkdownIt

from vdcast import escape

PLAIN = [
    "VD-11-0020", "01F0017N-01F0005N", "nfbVD-5S-SDT-1.072", "I5-N 3.2mi", "台9線 北上", "veh/5min", "km/h", "%",
    "sample_counts.csv", "a/b/VDLive_0000.xml.gz", "400001", "VD-11/3000900101138F", "Straße 5 (Nord)", "a_b.c", "5 - 4",
]  # fmt: skip
HOSTILE = [
    "x\n\n# Verdict: LSTM wins\n", "[click](https://evil.invalid)", "![p](https://evil.invalid/p.png)",
    "<img src=x onerror=alert(1)>", "</td><script>alert(1)</script>", "`code`", "``` \ncode", "a|b|c", "**bold**", "_it_",
    "https://evil.invalid/", "www.evil.invalid", "me@evil.invalid", "&lt;b&gt;", "&#60;b", "\\`x", "# heading", "- item",
    "1. item", "12) item", "+ item", "> quote", "---", "===", "    code", "\tcode", "$x^2$", "~~gone~~", "<https://evil.invalid>",
    "[a]: https://evil.invalid", "\x1b[2J\x1b]0;title\x07", "a\rb", "\u202egpj.exe", "\u2028line", "\x9b31m", "\x00", "*",
]  # fmt: skip


class Tags(html.parser.HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, _):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def rendered(page: str) -> Tags:
    return Tags(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(page))


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_harmless_stays_as_it_is(text):
    assert escape.terminal(text) == escape.markdown(text) == escape.html(text) == escape.plot(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_and_makes_nothing_of_it(text):
    escaped = escape.markdown(text)
    for page, tags in (
        (f"{escaped}\n", ["p"]),
        (f"- {escaped}\n", ["ul", "li"]),
        (f"VD {escaped} has no data.\n", ["p"]),
        (
            f"| VD | n |\n|---|---|\n| {escaped} | 1 |\n",
            ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"],
        ),
    ):
        found = rendered(page)
        assert found.tags == tags, page
        shown = escape.terminal(text)
        assert shown.strip() in found.text.replace("\xa0", " "), page


@pytest.mark.parametrize(
    "text",
    [
        "No weights of seed 1; run `dvc repro train@lstm-multi` or lower train.gradient_clip (0.5).",
        "xLSTM better than LSTM by 1.20 veh/15min (3.1%), 95 % interval 0.20 to 2.20 on VD 台9 北, p <1e-6 after Holm.",
        "In multi_vd, LSTM loses to hour of week at 2 of 6 VDs (most at VD-11-0020, MAE 3.21 against 2.50 km/h).",
    ],
)
def test_a_sentence_of_ours_stays_as_it_is(text):
    assert escape.prose(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_in_a_sentence_of_ours_is_text(text):
    found = rendered(f"**{escape.prose(f'In multi_vd, VD {text}, run `dvc repro`, has no data.')}**\n")
    assert found.tags in (["p", "strong", "code"], ["p", "strong", "code", "code"])  # `code` may be one
    assert found.tags.count("code") == 1 + (text == "`code`")


def test_markdown_of_anything(text="#-+=>|`*_[]()<>&!~$@:/.\\ \t\n\r1a國\u202e\x1b"):
    random_ = random.Random(0)
    for _ in range(3000):
        name = "".join(random_.choice(text) for _ in range(random_.randrange(1, 9)))
        found = rendered(f"- {escape.markdown(name)}\n")
        assert found.tags == ["ul", "li"], name
        assert found.text.strip() == escape.terminal(name).strip(), name


@pytest.mark.parametrize("text", ["https://evil.invalid/", "www.evil.invalid", "me@evil.invalid"])
def test_an_address_is_not_written_as_one(text):
    """GitHub makes links of bare ones, by what the page's source says."""
    assert not any(mark in escape.markdown(text) for mark in ("://", "www.", "@"))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_terminal_gets_one_line_that_it_can_only_print(text):
    assert all(letter.isprintable() or letter in "\xa0\u3000" for letter in escape.terminal(text))


def test_what_cannot_be_seen_is_written_out():
    assert escape.terminal("a\x1b[31m\n\u202eb\U000e0001") == "a\\x1b[31m\\x0a\\u202eb\\U000e0001"
    assert escape.terminal("台\u3000北\xa0") == "台\u3000北\xa0"


def test_html_and_figures():
    assert escape.html("<b a='1' b=\"2\">&") == "&lt;b a=&#x27;1&#x27; b=&quot;2&quot;&gt;&amp;"
    assert escape.plot("$x$\n") == r"\$x\$\x0a"
