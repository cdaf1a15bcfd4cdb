"""Every snippet of the README and of docs/formats.md is one that params.yaml takes, and every format has one."""

import re
from pathlib import Path

import pytest
import yaml

from vdcast import params

ROOT = Path(__file__).parents[2]
SNIPPETS = {
    page: re.findall(r"```yaml\n(data:\n.*?)```", (ROOT / page).read_text("utf-8"), re.S)
    for page in ("README.md", "docs/formats.md")
}


@pytest.mark.parametrize("page, number", [(page, i) for page in SNIPPETS for i in range(len(SNIPPETS[page]))])
def test_snippet(tmp_path, page, number):
    document = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    document["data"] = yaml.safe_load(SNIPPETS[page][number])["data"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(document), "utf-8")
    assert params.load(tmp_path / "params.yaml").data.format == document["data"]["format"]


@pytest.mark.parametrize("page", SNIPPETS)
def test_every_format_has_a_snippet_and_a_module(page):
    shown = {yaml.safe_load(snippet)["data"]["format"] for snippet in SNIPPETS[page]}
    assert shown == set(params.FORMATS)
    for name in params.FORMATS:
        assert (ROOT / f"src/vdcast/ingest/{name}.py").is_file()
