"""Plain MkDocs, without our command: `mkdocs build` in a copy of the project."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from stages.provenance import normal_name, pins
from stages.search import whole_index
from workbench import ROOT, copy_repository, passed, run, write

GITHUB = "https://github.com/someone/repo"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_repository(tmp_path_factory.mktemp("hook") / "project")


def mkdocs(project: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return run([sys.executable, "-m", "mkdocs", *arguments], project, **changes)


def finished(site: Path) -> list[str]:
    """The stems of the pages with a notebook."""
    listed = json.loads((site / "questions.json").read_text("utf-8"))["questions"]
    return [entry["stem"] for entry in listed if entry["notebook"]]


@pytest.fixture(scope="module")
def views(project: Path) -> Path:
    """The whole site, by plain MkDocs."""
    said = passed(mkdocs(project, "build", "--strict"))
    assert "WARNING -" not in said
    return project / "site"


@pytest.fixture(scope="module")
def light(project: Path) -> Path:
    """The site without notebook views, of a repository that lives on GitHub."""
    changes = {"NOTEBOOK_VIEWS": "false", "REPO_URL": GITHUB, "BRANCH": "trunk"}
    passed(mkdocs(project, "build", "--strict", "--site-dir", "light", **changes))
    return project / "light"


def page(site: Path, stem: str) -> str:
    return (site / "questions" / stem / "index.html").read_text("utf-8")


# ── what comes out ─────────────────────────────────────────────────────────────────────────────


def test_plain_mkdocs_builds_every_page_and_view(views: Path) -> None:
    stems = [path.stem for path in (ROOT / "source").glob("*.txt")]
    for stem in stems:
        assert (views / "questions" / stem / "index.html").is_file()
    assert finished(views)
    for stem in finished(views):
        assert (views / "notebooks" / stem / "index.html").is_file()
        json.loads((views / "notebooks" / f"{stem}.ipynb").read_text("utf-8"))
        assert f'href="../../notebooks/{stem}/"' in page(views, stem)


def test_plain_mkdocs_makes_the_pictures_to_share_and_no_policy(views: Path) -> None:
    for stem in finished(views):
        (picture,) = re.findall(
            r'og:image" content="[^"]*/(assets/share/[^"]*)"', page(views, stem)
        )
        assert (views / picture).is_file()
        assert "Content-Security-Policy" not in page(views, stem)


def test_views_can_be_left_out(light: Path) -> None:
    assert finished(light)
    for stem in finished(light):
        assert not (light / "notebooks" / stem).exists()
        json.loads((light / "notebooks" / f"{stem}.ipynb").read_text("utf-8"))
        assert f'href="../../notebooks/{stem}/"' not in page(light, stem)
        assert f'href="../../notebooks/{stem}.ipynb"' in page(light, stem)
    assert not list(light.glob("assets/notebook.*.css"))


def test_links_to_the_repository_need_one(views: Path, light: Path) -> None:
    stem = finished(views)[0]
    for name in (f"questions/{stem}/index.html", "index.html"):
        html = (views / name).read_text("utf-8")
        assert "/edit/" not in html
        assert "colab" not in html
        assert "md-source" not in html
    html = page(light, stem)
    assert re.findall(r'href="([^"]*/edit/[^"]*)"', html) == [
        f"{GITHUB}/edit/trunk/source/{stem}.txt"
    ]
    colab = (
        f"https://colab.research.google.com/github/someone/repo/blob/trunk/notebooks/{stem}.ipynb"
    )
    assert colab in html
    for made in ("", "topics/", "paths/", "study/", "evidence/", "print/", "cheat-sheet/"):
        html = (light / made / "index.html").read_text("utf-8")
        assert "/edit/" not in html, f"{made} is made, not written"
    html = (light / "glossary" / "index.html").read_text("utf-8")
    assert f"{GITHUB}/edit/trunk/source/glossary.md" in html
    html = (light / "about" / "index.html").read_text("utf-8")
    assert f"{GITHUB}/edit/trunk/docs/about.md" in html


def test_another_forge_has_no_colab(project: Path) -> None:
    forge = "https://git.example.org/someone/repo"
    changes = {"NOTEBOOK_VIEWS": "false", "REPO_URL": forge}
    passed(mkdocs(project, "build", "--site-dir", "forge", **changes))
    stem = finished(project / "forge")[0]
    html = page(project / "forge", stem)
    assert f"{forge}/edit/main/source/{stem}.txt" in html
    assert "colab" not in html


def test_code_stays_out_of_the_search_and_prose_is_in(light: Path) -> None:
    docs = json.loads(whole_index(light).read_text("utf-8"))["docs"]
    words = " ".join(doc["title"] + " " + doc["text"] for doc in docs)
    for stem in finished(light):
        assert any(doc["location"] == f"questions/{stem}/" for doc in docs)
    assert "import torch" not in words
    assert "What was checked" in words


def test_views_stay_out_of_the_search(views: Path) -> None:
    docs = json.loads(whole_index(views).read_text("utf-8"))["docs"]
    assert not [doc["location"] for doc in docs if doc["location"].startswith("notebooks/")]


ONLY = """
import sys
from importlib.machinery import PathFinder

class Installed(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in MISSING else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
from mkdocs.__main__ import cli
sys.argv = ["mkdocs", "build", "--strict", "--site-dir", "only"]
cli()
"""


def test_the_site_needs_only_what_its_requirements_name(project: Path) -> None:
    named = pins((ROOT / "requirements.txt").read_text("utf-8"))
    assert "torch" not in named and "mkdocs" in named
    missing = {
        module
        for module, packages in packages_distributions().items()
        if not any(normal_name(package) in named for package in packages)
    }
    assert {"torch", "pytest", "sklearn"} <= missing
    done = run([sys.executable, "-c", f"MISSING = {missing!r}\n{ONLY}"], project)
    assert done.returncode == 0, done.stderr
    assert finished(project / "only")


# ── hand-written pages ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def hand_written(project: Path) -> Iterator[Path]:
    """The folder of hand-written pages; about.md may stand there without being in the navigation."""
    settings = project / "mkdocs.yml"
    before = settings.read_text("utf-8")
    other = before.replace("not_in_nav: /notebooks/", "not_in_nav: |\n  /notebooks/\n  /about.md")
    assert other != before
    settings.write_text(other, "utf-8")
    yield project / "docs"
    settings.write_text(before, "utf-8")
    (project / "docs" / "about.md").unlink()


@pytest.mark.parametrize(
    ("link", "word"),
    [
        ("questions/17-residual-networks.md#short-answer", ""),
        ("questions/17-residual.md", "17-residual.md"),
        ("questions/17-residual-networks.md#long-answer", "#long-answer"),
    ],
    ids=["good", "broken link", "broken anchor"],
)
def test_links_of_hand_written_pages_are_checked(
    project: Path, hand_written: Path, link: str, word: str
) -> None:
    write(hand_written, "about.md", f"# About\n\nSee [a question]({link}).\n")
    done = mkdocs(project, "build", "--strict", "--site-dir", "about", NOTEBOOK_VIEWS="false")
    assert done.returncode == (1 if word else 0), done.stderr
    if word:
        assert "WARNING" in done.stderr
        assert "about.md" in done.stderr
        assert word in done.stderr
    with_ours = run(
        [sys.executable, "scripts/build.py", "site", "--output", "ours"],
        project,
        NOTEBOOK_VIEWS="false",
    )
    assert with_ours.returncode == done.returncode
    if word:
        assert with_ours.stderr.startswith("docs/about.md: ")
        assert word in with_ours.stderr
        assert with_ours.stderr.endswith("; mend it\n")


# ── refusals ───────────────────────────────────────────────────────────────────────────────────


def test_a_refused_text_is_told_by_plain_mkdocs_without_a_traceback(
    project: Path, light: Path
) -> None:
    text = project / "source" / "01-deep-learning.txt"
    good = text.read_text("utf-8")
    before = (light / "index.html").read_bytes()
    text.write_text(good.replace("Topic:", "Topci:").replace("Level:", "Levle:"), "utf-8")
    try:
        done = mkdocs(project, "build", "--strict", "--site-dir", "light", NOTEBOOK_VIEWS="false")
    finally:
        text.write_text(good, "utf-8")
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert len(re.findall(r"01-deep-learning\.txt:\d+: ", said)) == 2
    assert "Topic" in said and "Level" in said
    assert (light / "index.html").read_bytes() == before


def test_a_folder_in_the_way_is_told_by_plain_mkdocs(project: Path) -> None:
    front = project / "docs" / "index.md"
    front.unlink(missing_ok=True)
    front.mkdir()
    try:
        done = mkdocs(project, "build", NOTEBOOK_VIEWS="false")
    finally:
        front.rmdir()
    assert done.returncode == 1
    assert "index.md: Is a directory; mend it" in done.stdout + done.stderr
