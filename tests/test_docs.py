"""The documentation names what there is, and all of it."""

import ast
import re
from pathlib import Path

import pytest

from facectrl_fast.cli import _COMMANDS
from facectrl_fast.report import State
from facectrl_fast.settings import KINDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def anchors(page):
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_its_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


def test_every_page_is_reached_from_the_readme():
    text = PAGES[0].read_text()
    for page in PAGES[1:]:
        assert f"({page.relative_to(ROOT)})" in text


def test_every_command_and_option_is_told_of():
    text = (ROOT / "docs" / "commands.md").read_text()
    for command in _COMMANDS:
        assert f"| `{command}" in text
    for option in KINDS:
        flag = option.replace("_", "-")
        assert f"`--{flag}" in text or f"`--no-{flag}" in text


def test_every_state_is_told_of():
    text = (ROOT / "docs" / "desktop.md").read_text()
    for state in State:
        assert f"`{state.value}`" in text


def functions_of(path):
    """The functions that pytest collects of a file."""
    tree = ast.parse(path.read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_fault_that_is_told_of_has_its_test():
    text = (ROOT / "docs" / "reliability.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)
    assert len(named) > 30
    for path, test in named:
        assert test in functions_of(ROOT / path), f"{path}::{test}"
    lines = text.partition("\n## ")[0].splitlines()
    _, *rows = [line for line in lines if line.startswith("| ") and "**" not in line]
    assert all("::" in row for row in rows)
