"""What the documents show is what a run left: quotations are word for word, and links lead somewhere."""

import re
from pathlib import Path

import pytest
import yaml

import vdcast

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]
REPORTS = {"README.md": ["sample"], "docs/results.md": ["sample", "m05a", "berlin", "berlin_walk_forward"]}


@pytest.mark.parametrize("page", REPORTS)
def test_quotations_are_of_the_reports_kept_here(page):
    kept = {
        line.strip()
        for name in REPORTS[page]
        for line in (ROOT / "docs" / name / "report.md").read_text("utf-8").splitlines()
    }
    quoted = re.findall(r"^> (.+)$", (ROOT / page).read_text("utf-8"), re.M)
    assert len(quoted) > 5
    assert [line for line in quoted if line.strip() not in kept] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)[^)]*\)", page.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    """Whether the file is there, and in a Markdown file the heading that comes after #."""
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in headings(target))


def headings(page: Path) -> set[str]:
    """As GitHub makes anchors of them."""
    lines = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_tests_that_are_named_exist(page):
    named = re.findall(r"`([\w/]+\.py)::(\w+)", page.read_text("utf-8"))
    assert [
        f"{file}::{name}"
        for file, name in named
        if f"def {name}(" not in (ROOT / "tests" / file).read_text("utf-8")
    ] == []


def test_stages_are_told_as_dvc_yaml_lists_them():
    stages = list(yaml.safe_load((ROOT / "dvc.yaml").read_text("utf-8"))["stages"])
    table = (ROOT / "README.md").read_text("utf-8").partition("\n## The pipeline\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)", table, re.M) == stages
    assert vdcast.__doc__
    assert re.split(r",\s", re.search(r"same name: (.+?)\.\n", vdcast.__doc__, re.S)[1]) == stages


def test_the_lock_knows_no_stage_that_is_gone():
    stages, locked = (
        yaml.safe_load((ROOT / name).read_text("utf-8"))["stages"] for name in ("dvc.yaml", "dvc.lock")
    )
    assert {name.partition("@")[0] for name in locked} <= {*stages}
