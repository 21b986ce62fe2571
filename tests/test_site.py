"""The verb `site`: what it builds, and that it never spoils what was there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from html import unescape
from pathlib import Path

import pytest

from stages.records import Refused
from stages.search import whole_index
from stages.site import check_output, commit_time, refusal
from workbench import PLAIN, ROOT, build, command, environment, passed, refused, tree, write

BARE = ROOT / "examples" / "bare.txt"
GITHUB = "https://github.com/someone/repo"


def page(site: Path, stem: str) -> str:
    return (site / "questions" / stem / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The site of the bare text, and what its build said; the repository lives on GitHub."""
    site = tmp_path_factory.mktemp("bare") / "site"
    done = build("site", "--source", BARE, "--output", site, REPO_URL=GITHUB)
    return site, passed(done)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of a small text whose titles hold every character that HTML reads."""
    folder = tmp_path_factory.mktemp("small")
    text = PLAIN.replace("Title: Mean\n", "Title: R&D: \"mean\" < 'median' & more\n")
    text = text.replace("A small bank", 'Q&A: 1 < 2 "quoted"').replace("Order", "Order & <= rank")
    text = text.replace("a mean?", "a mean & is 1 < 2?")
    source = write(folder, "text.txt", text)
    passed(build("site", "--source", source, "--output", folder / "site", REPO_URL=GITHUB))
    return folder / "site"


# ── what is built ──────────────────────────────────────────────────────────────────────────────


def test_a_bare_text_gives_a_site_that_passes_the_gates(bare: tuple[Path, str]) -> None:
    site, said = bare
    assert "passes every gate" in passed(build("check", site))
    assert len(json.loads((site / "questions.json").read_text("utf-8"))["questions"]) == 3
    assert "bare.txt:22: dropped 'Thumbnail'" in said


def test_title_and_rights_note_come_from_the_text(bare: tuple[Path, str]) -> None:
    html = page(bare[0], "02-what-does-salt-do")
    header = html.split('<header class="md-header')[1].split("</header>")[0]
    assert "Baking bread" in header
    footer = html.split('<footer class="md-footer')[1]
    assert "© 2026 The contributors. All rights reserved." in footer
    assert "Deep learning, measured" not in html
    assert "Thumbnail" not in html


def test_another_text_is_not_given_our_licence_and_words(bare: tuple[Path, str]) -> None:
    assert not (bare[0] / "about").exists()
    for path in bare[0].rglob("*.html"):
        text = path.read_text("utf-8")
        assert "under CC BY" not in text and "deep learning" not in text.lower(), path


def test_our_docs_are_untouched_by_another_text(bare: tuple[Path, str]) -> None:
    found = [path for path in (ROOT / "docs").rglob("*") if "dough" in path.name]
    assert found == []
    front = ROOT / "docs" / "questions.json"
    assert not front.exists() or "Baking bread" not in front.read_text("utf-8")


def test_files_of_ours_have_a_hash_in_their_name(bare: tuple[Path, str]) -> None:
    html = page(bare[0], "02-what-does-salt-do")
    for name in ("maths", "site"):
        (found,) = re.findall(rf"\.\./\.\./(assets/{name}\.[0-9a-f]{{8}}\.css)", html)
        assert (bare[0] / found).is_file()
        assert not (bare[0] / f"assets/{name}.css").exists()
    assert re.search(r"assets/search-worker\.[0-9a-f]{8}\.js", html)


def test_edit_links_lead_to_a_text_of_the_repository(bare: tuple[Path, str], small: Path) -> None:
    html = page(bare[0], "02-what-does-salt-do")
    assert re.findall(r'href="([^"]*/edit/[^"]*)"', html) == [
        f"{GITHUB}/edit/main/examples/bare.txt"
    ]
    html = page(small, "02-median")
    assert GITHUB in html
    assert "/edit/" not in html, "that text is not in the repository"


def test_the_navigation_is_grouped_by_topic(small: Path) -> None:
    html = page(small, "02-median")
    nav = html.split('data-md-component="sidebar" data-md-type="navigation"')[1]
    nav = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "\n", nav.split('data-md-type="toc"')[0]))
    places = [
        nav.index(word)
        for word in ("Home", "Averages", "1. R&amp;D", "Order &amp; &lt;= rank", "2. Median")
    ]
    assert places == sorted(places)


def test_special_characters_in_titles_are_shown_as_they_are(small: Path) -> None:
    (path,) = (path for path in (small / "questions").iterdir() if path.name.startswith("01-"))
    html = (path / "index.html").read_text("utf-8")
    title, bank = "R&D: \"mean\" < 'median' & more", 'Q&A: 1 < 2 "quoted"'
    shown = unescape(re.findall(r"<title>(.*?)</title>", html, re.DOTALL)[0])
    assert shown == f"{title} - {bank}"
    header = html.split('<header class="md-header')[1].split("</header>")[0]
    assert f'aria-label="{bank}"' in unescape(header) or f'title="{bank}"' in header
    topics = re.findall(r'<span class="md-ellipsis">\s*(.*?)\s*</span>', header, re.DOTALL)
    assert [unescape(topic) for topic in topics] == [bank, title]
    home = (small / "index.html").read_text("utf-8")
    assert f"1. {title}" in unescape(home)
    for text in (html, home):
        assert "& " not in re.sub(r"<(script|style).*?</\1>", "", text, flags=re.DOTALL)


def test_special_characters_are_found_by_the_search(small: Path) -> None:
    docs = json.loads(whole_index(small).read_text("utf-8"))["docs"]
    titles = [doc["title"] for doc in docs]
    # The search shows titles as HTML.
    assert any(unescape(title) == "What is a mean & is 1 < 2?" for title in titles)
    assert not any(re.search(r"<|&amp;amp;|& ", title) for title in titles), titles
    data = json.loads((small / "questions.json").read_text("utf-8"))
    assert data["questions"][0]["title"] == "R&D: \"mean\" < 'median' & more"
    assert data["title"] == 'Q&A: 1 < 2 "quoted"'


# ── where it goes ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path, "text.txt", PLAIN)


@pytest.fixture
def old_site(tmp_path: Path, small: Path) -> Path:
    """A site of ours that is in the way."""
    import shutil

    return Path(shutil.copytree(small, tmp_path / "site"))


def beside(output: Path) -> list[str]:
    """What lies hidden beside a site."""
    return sorted(path.name for path in output.parent.iterdir() if path.name.startswith("."))


@pytest.mark.parametrize("name", ["notes.txt", "questions.json", "index.html"])
def test_a_folder_that_is_no_site_of_ours_is_not_replaced(
    tmp_path: Path, source: Path, name: str
) -> None:
    kept = write(tmp_path / "site", name, "mine")
    done = build("site", "--source", source, "--output", tmp_path / "site")
    refused(done, str(tmp_path / "site"), "holds something other than a built site", "name a new")
    assert tree(tmp_path / "site") == {kept.name: b"mine"}


def test_our_own_folders_are_not_replaced() -> None:
    for folder in (ROOT, ROOT / "docs", ROOT / "source", ROOT / "README.md"):
        with pytest.raises(Refused, match=r"other than a built site|which a build would remove"):
            check_output(folder)


def test_an_empty_folder_and_an_old_site_are_replaced(
    tmp_path: Path, source: Path, old_site: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for output in (tmp_path / "empty", old_site):
        passed(build("site", "--source", source, "--output", output))
        assert "questions/01-mean/index.html" in tree(output)
        assert oct(output.stat().st_mode)[-3:] == "755"
    assert beside(old_site) == []


def test_a_link_stays_and_what_is_behind_it_is_replaced(
    tmp_path: Path, source: Path, old_site: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(old_site)
    passed(build("site", "--source", source, "--output", link))
    assert link.is_symlink()
    assert "questions/01-mean/index.html" in tree(old_site)
    assert beside(old_site) == []


def test_a_refused_text_leaves_the_old_site_as_it_was(tmp_path: Path, old_site: Path) -> None:
    before = tree(old_site)
    text = PLAIN.replace("2. What", "3. What").replace("Tags:", "Tag:")
    source = write(tmp_path, "bad.txt", text)
    said = refused(build("site", "--source", source, "--output", old_site), "bad.txt:7:", "Tags")
    assert len(said.splitlines()) >= 2, "every fault in one go"
    assert tree(old_site) == before
    assert beside(old_site) == []


@pytest.mark.parametrize("below", ["text.txt/site", "/proc/site"])
def test_a_place_that_cannot_be_written_gives_a_sentence(
    tmp_path: Path, source: Path, below: str
) -> None:
    done = build("site", "--source", source, "--output", tmp_path / below)
    refused(done, str(Path(tmp_path / below).parent))
    assert len(done.stderr.splitlines()) == 1


def test_a_killed_build_leaves_the_old_site_and_the_next_one_clears_up(
    tmp_path: Path, source: Path, old_site: Path
) -> None:
    before = tree(old_site)
    arguments = command(ROOT, "site", "--source", source, "--output", old_site)
    killed = subprocess.Popen(arguments, env=environment(), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any((tmp_path / name / "site" / "assets").exists() for name in beside(old_site)):
        assert time.monotonic() < deadline and killed.poll() is None, "the build was not seen"
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert tree(old_site) == before
    assert beside(old_site)
    passed(build("site", "--source", source, "--output", old_site))
    assert beside(old_site) == []
    assert tree(old_site) != before


def test_two_builds_at_once_both_end_well(tmp_path: Path, source: Path, old_site: Path) -> None:
    arguments = command(ROOT, "site", "--source", source, "--output", old_site)
    builds = [
        subprocess.Popen(
            arguments,
            env=environment(NOTEBOOK_VIEWS="false", SOURCE_DATE_EPOCH="1700000000"),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [started.communicate()[1] for started in builds]
    assert [started.returncode for started in builds] == [0, 0], said
    assert beside(old_site) == []
    alone = tmp_path / "alone"
    passed(build("site", "--source", source, "--output", alone, SOURCE_DATE_EPOCH="1700000000"))
    assert tree(old_site) == tree(alone)


# ── small parts ────────────────────────────────────────────────────────────────────────────────


def test_no_commit_no_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert commit_time(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert commit_time(ROOT) is None


def test_what_mkdocs_warns_of_names_the_page() -> None:
    lines = ["Doc file 'a.md' contains a link 'b.md', but it is\nnot there.", "Something else"]
    told = str(refusal(ValueError("counted"), lines)).splitlines()
    assert told == [
        "docs/a.md: contains a link 'b.md', but it is not there; mend it",
        "mkdocs.yml: Something else; mend it",
    ]
    assert str(refusal(ValueError("counted"))) == "mkdocs.yml: counted; mend it"


@pytest.mark.parametrize("kept", [".git", "CNAME"])
def test_a_clone_of_a_published_branch_is_not_replaced(tmp_path: Path, kept: str) -> None:
    for name in ("404.html", "index.html", "questions.json", kept):
        (tmp_path / name).write_text("x", "utf-8")
    with pytest.raises(Refused, match=f"holds {kept}"):
        check_output(tmp_path)
