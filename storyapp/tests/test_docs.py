"""What the documents name is there: every test they rely on, and every file they link to."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from storyapp.tests.installation import ROOT

DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
NAMED_TEST = re.compile(r"([\w/]+\.py)::(\w+)")
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)[^)]*\)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_and_file_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text()
    missing = [f"{file}::{name}" for file, name in NAMED_TEST.findall(text) if name not in functions(ROOT / file)]
    missing += [link for link in LINK.findall(text) if not (document.parent / link).exists()]
    assert not missing


def test_every_promise_is_held_by_a_test() -> None:
    """A promise is a paragraph that begins with its fault in bold type, up to the list of what is not promised."""
    promised, _, _ = (ROOT / "docs" / "reliability.md").read_text().partition("## Not promised")
    promises = re.findall(r"^\*\*.+?(?=^\*\*|^## |\Z)", promised, re.MULTILINE | re.DOTALL)
    assert len(promises) >= 25
    assert not [promise for promise in promises if not NAMED_TEST.search(promise)]


def test_what_is_missing_would_be_found() -> None:
    assert NAMED_TEST.findall("- `storyapp/tests/test_docs.py::test_of_nothing`") == [
        ("storyapp/tests/test_docs.py", "test_of_nothing")
    ]
    assert "test_of_nothing" not in functions(ROOT / "storyapp/tests/test_docs.py")
    assert functions(ROOT / "storyapp/tests/no_such_file.py") == set()
    assert LINK.findall("[a](docs/a.md), [b](https://b.example) and ![c](c.jpg#x)") == ["docs/a.md", "c.jpg"]


@cache
def functions(file: Path) -> set[str]:
    if not file.exists():
        return set()
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}
