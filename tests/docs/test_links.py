"""Every link of the documentation leads somewhere, and nothing in it is of one machine or one author."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.console import DOCS, pages

# docs/design/ and docs/performance.md have tests of their own. This one checks their links, too.
PAGES = pages()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_its_links_lead_somewhere(page: Path) -> None:
    """Each relative link names a file of the repository. Sphinx checks the headings."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / target).exists(), target


def test_every_page_can_be_reached() -> None:
    """Each page is in the table of contents."""
    contents = (DOCS / "index.md").read_text("utf-8")
    listed = set(re.findall(r"^([a-z][a-z/-]+)$", contents, re.MULTILINE))
    assert listed == {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES} - {"index"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_no_place_of_one_machine(page: Path) -> None:
    """No page has a home folder, a folder of a build machine, or a numeric address."""
    assert not re.search(r"/(?:home|root|work|tmp)/|\b\d+\.\d+\.\d+\.\d+\b", page.read_text("utf-8"))
