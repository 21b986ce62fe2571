"""The whole road: `publish` from a copy of the project, a clone of the branch, a real browser."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from conftest import Visitor
from local_server import serve
from workbench import build, copy_repository, git, passed, refused

PREFIX = "/deep-learning/"
STEM = "17-residual-networks"
MEASURED = '"text/plain": [\n       "\''  # how an output starts in a stored notebook
GITHUB = "https://github.com/someone/deep-learning"


@dataclass(frozen=True)
class Published:
    """What was published from where to where, and where a clone of it is served."""

    project: Path
    remote: Path
    said: str
    clone: Path
    url: str


def publish(
    project: Path, remote: Path, url: str, **changes: str
) -> subprocess.CompletedProcess[str]:
    changes = {"SITE_URL": url, "REPO_URL": GITHUB, "NOTEBOOK_VIEWS": "true"} | changes
    return build("publish", "--remote", remote, root=project, **changes)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    folder = tmp_path_factory.mktemp("published")
    project = copy_repository(folder / "project")
    git("init", "--quiet", "--bare", folder / "remote.git", at=folder)
    with serve(folder / "clone", PREFIX) as served:
        said = passed(publish(project, folder / "remote.git", served.url))
        git("clone", "--quiet", "--branch=gh-pages", "remote.git", "clone", at=folder)
        yield Published(project, folder / "remote.git", said, folder / "clone", served.url)


@pytest.fixture
def reader(browser: Browser, published: Published) -> Iterator[Visitor]:
    """A reader of the clone; no other host may be asked, and nothing go wrong."""
    with browser.new_context(viewport={"width": 1350, "height": 900}) as context:
        someone = Visitor(context, published.url)
        yield someone
    assert someone.elsewhere == []
    assert someone.errors == []


@pytest.fixture(scope="module")
def claim(published: Published) -> dict[str, str]:
    """The last claim of the last finished question: far down on its page."""
    data = json.loads((published.clone / "questions.json").read_text("utf-8"))
    return dict([c for q in data["questions"] for c in q["claims"]][-1])


def tip(remote: Path) -> str:
    return git("rev-parse", "gh-pages", at=remote)


# ── in the browser ─────────────────────────────────────────────────────────────────────────────


def test_the_home_page_leads_to_a_question(reader: Visitor, published: Published) -> None:
    page = reader.open()
    expect(page.locator("h1")).to_be_visible()
    link = page.locator('.shelf a[href*="questions/17-"]')
    title = link.inner_text()
    assert title
    link.click()
    page.wait_for_url("**/questions/17-*/")
    expect(page).to_have_title(re.compile(re.escape(title)))
    expect(page.locator("article h1")).to_be_visible()
    assert urlsplit(page.url).path.startswith(f"{PREFIX}questions/17-")


def test_a_deep_link_to_a_claim_shows_it(reader: Visitor, claim: dict[str, str]) -> None:
    page = reader.open(claim["url"])
    cell = page.locator(":target")
    expect(cell).to_have_id(f"claim-{claim['slug']}")
    expect(cell).to_be_in_viewport()
    expect(cell).to_contain_text(claim["measured"][:20])


def test_the_table_of_claims_leads_to_the_cell(reader: Visitor, claim: dict[str, str]) -> None:
    page = reader.open(claim["url"].partition("#")[0])
    link = page.locator(f'table a[href$="#claim-{claim["slug"]}"]')
    link.scroll_into_view_if_needed()
    page.wait_for_timeout(500)  # a reader reads before a click
    link.click()
    expect(page.locator(f"#claim-{claim['slug']}")).to_be_in_viewport()


def test_the_search_works_under_the_sub_path(reader: Visitor) -> None:
    page = reader.open()
    page.keyboard.press("/")
    page.keyboard.type("residual networks")
    first = page.locator(".md-search-result__link").first
    expect(first).to_be_visible()
    assert str(first.get_attribute("href")).startswith((PREFIX, "http://127.0.0.1", "questions/"))
    first.click()
    page.wait_for_url(f"**{PREFIX}questions/**")


def test_the_notebook_view_and_its_download(reader: Visitor, published: Published) -> None:
    data = json.loads((published.clone / "questions.json").read_text("utf-8"))
    notebook = next(q["notebook"]["path"] for q in data["questions"] if q["notebook"])
    page = reader.open(notebook.removesuffix(".ipynb") + "/")
    expect(page.locator("article h1").first).to_be_visible()
    answer = page.request.get(published.url + notebook)
    assert answer.ok
    assert any("".join(c["source"]).count(published.url) for c in answer.json()["cells"])


def test_a_wrong_address_shows_a_404_page_with_its_styles(
    reader: Visitor, published: Published
) -> None:
    page = reader.open("questions/not/there/at/all/")
    expect(page.locator("h1")).to_contain_text("404")
    sheets = page.evaluate("[...document.styleSheets].map(s => [s.href, s.cssRules.length])")
    assert len(sheets) >= 4
    assert all(rules > 0 for _, rules in sheets), sheets
    header = page.locator(".md-header").evaluate("e => getComputedStyle(e).position")
    assert header == "sticky"
    page.locator(".md-header__button.md-logo").click()
    page.wait_for_url(published.url)
    # The browser itself notes that the page was not found, and nothing else.
    assert len(reader.errors) == 1 and "404" in reader.errors.pop()


# ── the branch ─────────────────────────────────────────────────────────────────────────────────


def test_the_branch_is_the_site(published: Published) -> None:
    assert published.said.startswith("published ") or "\npublished " in published.said
    assert (published.clone / ".nojekyll").is_file()
    assert git("rev-list", "--count", "gh-pages", at=published.remote) == "1"
    assert not (published.clone / "source").exists()


def test_the_same_commit_is_not_published_twice(published: Published) -> None:
    before = tip(published.remote)
    said = passed(publish(published.project, published.remote, published.url))
    assert f"nothing changed: {before[:7]} stays" in said
    assert tip(published.remote) == before


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("source/01-deep-learning.txt", "Topic:", "Topci:", ["01-deep-learning.txt:", "Topic"]),
        (f"notebooks/{STEM}.py", "SEED = 0", "SEED = 1", [f"{STEM}.ipynb", "its text changed"]),
        # The first measured value; the text of a cell would make the notebook stale instead.
        (f"notebooks/{STEM}.ipynb", MEASURED, f"{MEASURED}9", [f"{STEM}.ipynb", "changed by hand"]),
        (
            "docs/overrides/main.html",
            "{% block config %}",
            '{% block footer %}<img src="https://elsewhere.example/x.png" alt="x">{% endblock %}'
            "{% block config %}",
            ["index.html:", "asks another host", "https://elsewhere.example/x.png"],
        ),
    ],
    ids=["text", "stale notebook", "changed number", "built page"],
)
def test_a_fault_publishes_nothing(
    published: Published, name: str, old: str, new: str, words: list[str]
) -> None:
    before = tip(published.remote)
    path = published.project / name
    good = path.read_text("utf-8")
    assert old in good
    path.write_text(good.replace(old, new, 1), "utf-8")
    try:
        done = publish(published.project, published.remote, published.url, NOTEBOOK_VIEWS="false")
    finally:
        path.write_text(good, "utf-8")
    refused(done, *words)
    assert "published" not in done.stdout
    assert tip(published.remote) == before
    assert not (published.project / "site").exists()
