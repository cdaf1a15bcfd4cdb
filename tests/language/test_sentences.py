"""The table of sentences is whole: none lacks its twin, its places or somebody who says it."""

import ast
import re
import string
from collections import Counter

import pytest

from tests.imports import SRC, modules
from vdcast import language
from vdcast.language import LANGUAGES, Said, in_words, say, some, speaking

PACKAGES = sorted(path.parent.name for path in (SRC / "vdcast").glob("*/sentences.toml"))
KEYS = {
    f"{package}.{name}": twins for package in PACKAGES for name, twins in language.sentences(package).items()
}
TEMPLATES = [*(SRC / "vdcast/report/templates").glob("*.html")]
CHINESE = re.compile("[\u4e00-\u9fff]")


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_a_sentence_has_its_twin_with_the_same_places():
    assert [key for key, twins in KEYS.items() if set(twins) != set(LANGUAGES)] == []
    assert [
        key for key, twins in KEYS.items() if len({frozenset(places(it)) for it in twins.values()}) > 1
    ] == []


def without_places(key: str) -> list[str]:
    return [re.sub(r"\{[^}]*\}", "", KEYS[key][language]) for language in LANGUAGES]


def marks(text: str) -> Counter:
    """Numbers, commands, names of files and of settings."""
    return Counter(
        re.findall(
            r"\d+(?:\.\d+)?(?: ?%)?|`[^`]+`|<code>.*?</code>|\w+\.(?:md|yaml|json|h5)|\w+\.\w+_\w+", text
        )
    )


def test_a_number_or_command_in_one_is_in_the_other():
    assert [
        key for key in KEYS if len({frozenset(marks(it).items()) for it in without_places(key)}) > 1
    ] == []


def test_what_is_words_in_one_is_words_in_the_other():
    for key in KEYS:
        english, chinese = without_places(key)
        words = re.search(r"(?<![\w`<%])[a-z]{3,}(?![\w-])", english)
        if words and english.upper() != chinese and key != "report.script.locale":  # mae and MAE
            assert CHINESE.search(chinese), key
        assert not CHINESE.search(english), key
        assert not re.search("[\u4e00-\u9fff][,;:?]|[,;:?][\u4e00-\u9fff]", chinese), (
            f"{key}: half-width marks"
        )


def calls() -> list[tuple[str, ast.expr, set[str] | None]]:
    """Where, key and names of figures of every ``say``, ``text`` and ``Said``; None where the names are not told."""
    found = []
    for module, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("say", "text", "Said") and node.args:
                given = {each.arg for each in node.keywords}
                told = ast.unparse(node.func) == "say" and None not in given
                found.append((module, node.args[0], given if told else None))
    return found


def of_template(path) -> list[tuple[str, set[str]]]:
    """The keys of a template that stand there whole, each with the names that it gives."""
    return [
        (key, set(re.findall(r"(?<![\w.=!])(\w+)=(?!=)", given)))
        for key, given in re.findall(
            r'say\("([\w.-]+)"((?:[^()]|\((?:[^()]|\([^()]*\))*\))*)\)', path.read_text("utf-8")
        )
    ]


def test_what_is_said_is_in_the_table_and_fills_every_place():
    for where, key, given in calls():
        if isinstance(key, ast.Constant) and where != "vdcast.language":
            assert key.value in KEYS, f"{where}: {key.value}"
            if given is not None:
                assert given == places(KEYS[key.value]["en"]), f"{where}: {key.value}"
    for path in TEMPLATES:
        for key, given in of_template(path):
            if key.endswith("."):  # and a name that is only known there
                continue
            assert key in KEYS, f"{path.name}: {key}"
            assert places(KEYS[key]["en"]) <= given, f"{path.name}: {key}"


def test_every_sentence_is_said_somewhere():
    said, begun = {"language.all"}, set()
    for _, key, _ in calls():
        for each in ast.walk(key):
            if isinstance(each, ast.JoinedStr) and isinstance(each.values[0], ast.Constant):
                begun.add(each.values[0].value)
            elif isinstance(each, ast.Constant) and isinstance(each.value, str):
                said.add(each.value)
    packages = "|".join(PACKAGES)
    for path in [*modules().values(), *TEMPLATES]:
        source = path.read_text("utf-8")
        said |= set(re.findall(rf'"((?:{packages})\.[\w.-]+)"', source))
        begun |= set(re.findall(rf'"((?:{packages})\.[\w.-]*\.)["{{]', source))
    script = (SRC / "vdcast/report/templates/index.js").read_text("utf-8")
    names = set(re.findall(r'said\("(\w+)"', script))
    names |= {"found", "found_and_listed", "band_low", "band_high"}  # made of two parts there
    said |= {f"report.script.{name}" for name in names}
    begun -= {"report.script."}
    idle = [key for key in KEYS if key not in said and not key.startswith(tuple(begun))]
    assert idle == []
    assert {f"report.script.{name}" for name in names} <= set(KEYS)


def test_a_language_is_spoken_within_its_block_alone():
    with speaking("zh-Hant"):
        assert say("scores.counted.days.many", number=3) == "3 個測試日"
        with speaking("en"):
            assert say("scores.counted.days.many", number=3) == "3 test days"
        assert say("language.undefined") == "無定義"
    assert say("language.undefined") == "undefined"


def test_what_was_kept_as_key_and_figures_gets_its_words_later():
    copies = some([Said("scores.copy", {"seed": seed}) for seed in range(7)], 5)
    kept = Said("scores.unplaced", {"run": "a-run", "vds": copies})
    assert in_words(kept) == (
        "In run a-run, VDs without coordinates have no neighbours: seed 0, seed 1, seed 2, seed 3, seed 4 and 2 more."
    )
    with speaking("zh-Hant"):
        assert in_words(kept).endswith("隨機種子 3、隨機種子 4及另外 2 項。")
        assert in_words("as it is") == "as it is"


@pytest.mark.parametrize(
    ("parts", "words"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_a_list_in_words(parts, words):
    assert language.listed(parts) == words


def test_the_glossary_says_what_the_page_says():
    rows = re.findall(
        r"^\| (?!Word )(.+?) \| (.+) \|$", (SRC.parent / "docs/glossary.md").read_text("utf-8"), re.M
    )
    names = [key.removesuffix(".word") for key in KEYS if re.fullmatch(r"report\.glossary\.\w+\.word", key)]
    assert rows == [(KEYS[f"{name}.word"]["en"], KEYS[f"{name}.means"]["en"]) for name in names]


def test_a_name_with_braces_is_text():
    assert say("scores.vd", vd="{number} {0}") == "VD {number} {0}"
