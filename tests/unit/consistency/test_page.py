"""The snippets of docs/read-your-writes.md run, and it names every cause."""

import re
from pathlib import Path

import pytest

from doublegate.consistency import Cause

PAGE = (Path(__file__).parents[3] / "docs" / "read-your-writes.md").read_text()
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("snippet", SNIPPETS)
def test_the_snippets_run(snippet):
    exec(snippet, {})  # noqa: S102 - our own page


def test_it_names_every_cause():
    assert [cause.name for cause in Cause if f"| `{cause.name}` |" not in PAGE] == []
