"""Every snippet of the README and of docs/formats.md is one that params.yaml takes; every format has two there."""

import re
from pathlib import Path

import pytest
import yaml

from vdcast import params
from vdcast.errors import InputError
from vdcast.params.formats import FORMATS
from vdcast.params.sections import Params

ROOT = Path(__file__).parents[2]
SNIPPETS = {
    page: re.findall(r"```yaml\n(data:\n.*?)```", (ROOT / page).read_text("utf-8"), re.S)
    for page in ("README.md", "docs/formats.md")
}


@pytest.mark.parametrize("page, number", [(page, i) for page in SNIPPETS for i in range(len(SNIPPETS[page]))])
def test_snippet(tmp_path, page, number):
    document = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    snippet = yaml.safe_load(SNIPPETS[page][number])
    document |= {"data": snippet.pop("data")} | {name: document[name] | snippet[name] for name in snippet}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document), "utf-8")
    assert params.load(tmp_path / "params.yaml").data.format == document["data"]["format"]


def test_every_format_has_a_recipe_a_section_and_a_module():
    page = (ROOT / "docs/formats.md").read_text("utf-8")
    recipes = page.split("## A recipe per format")[1].split("\n## ")[0]
    for part in (recipes, page.replace(recipes, "")):
        assert set(re.findall(r"^data:\n  format: (\w+)", part, re.M)) - {"auto"} == set(FORMATS)
    modules = {path.stem for path in (ROOT / "src/vdcast/ingest/formats").glob("*.py")} - {"__init__"}
    assert modules == set(FORMATS)


@pytest.mark.parametrize("protocol", ["metr_la", "pems0x"])
def test_a_published_protocol_is_one_that_params_takes_and_holds(tmp_path, protocol):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/formats.md").read_text("utf-8"), re.S)
    (changes,) = (yaml.safe_load(block) for block in blocks if f"protocol: {protocol}" in block)
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))

    def load(**more) -> Params:
        document = {**shipped, "data": changes["data"]}
        for section, values in {**changes, **more}.items():
            if section != "data":
                document[section] = {**document[section], **values}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(document), "utf-8")
        return params.load(tmp_path / "params.yaml")

    settings = load()
    assert (settings.window.sequence_length, settings.window.prediction_length) == (12, 12)
    assert settings.evaluate.horizons == [3, 6, 12]
    assert settings.prepare.split == {"metr_la": [0.7, 0.1, 0.2], "pems0x": [0.6, 0.2, 0.2]}[protocol]
    with pytest.raises(InputError, match=f"protocol {protocol} wants window.sequence_length 12"):
        load(window={"lookback": "100min", "horizon": "60min"})
    with pytest.raises(InputError, match=f"protocol {protocol} wants prepare.split"):
        load(prepare=changes["prepare"] | {"split": [0.5, 0.25, 0.25]})
