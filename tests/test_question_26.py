"""A question is added to a copy of the project, by the words of the README and nothing else."""

from __future__ import annotations

import json
import re
import shlex
import sys
from html import unescape
from pathlib import Path

import pytest

from stages.search import whole_index
from workbench import ROOT, build, copy_repository, passed, refused, run, tree

SECTION = re.search(
    r"^## Add a question\n(.*?)^## ",
    (ROOT / "README.md").read_text("utf-8"),
    re.DOTALL | re.MULTILINE,
)
STEPS = re.findall(r"`([^`]+)`", SECTION[1]) if SECTION else []
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")

ANSWER = """Two layers use one matrix: the one that reads tokens and the one that scores them. The
quokka of this test is a word that nobody else writes. The mean was {{sample_mean:.2f}}
[#means-agree].
"""


def as_run(step: str) -> list[str]:
    """A command of the README, or of the make target that it names, with this Python."""
    words = shlex.split(step)
    if words[0] == "make":
        recipe = re.search(rf"^{words[1]}:.*\n\t\$\(BUILD\) (.*)$", MAKEFILE, re.MULTILINE)
        assert recipe, f"the README names `{step}`, which is not in the Makefile"
        return [sys.executable, "scripts/build.py", *shlex.split(recipe[1])]
    assert words[:2] == [".venv/bin/python", "scripts/build.py"]
    return [sys.executable, *words[1:]]


def step(start: str) -> str:
    """The one step of the README that begins in this way."""
    (found,) = [step for step in STEPS if step.startswith(start)]
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy, with the question added."""
    project = copy_repository(tmp_path_factory.mktemp("question") / "project")
    before = tree(project)
    passed(run(as_run(step(".venv/bin/python scripts/build.py new 26")), project))
    files = [project / name for name in STEPS if name.startswith(("source/", "notebooks/"))]
    text, notebook = files
    made = tree(project).keys() - before.keys()
    assert {name for name in made if "__pycache__" not in name} == {
        path.relative_to(project).as_posix() for path in files
    }
    fill_in(text)
    others = {p: p.stat().st_mtime_ns for p in (project / "notebooks").glob("*.ipynb")}
    said = passed(run(as_run(step("make notebooks")), project))
    assert f"{notebook.stem}: " in said and "1 claims, written" in said
    assert {p: p.stat().st_mtime_ns for p in others} == others, "another notebook ran"
    said = passed(run(as_run(step("make pages")), project))
    assert "26 pages" in said
    passed(build("site", root=project))
    return project


def fill_in(text: Path) -> None:
    """Write the answer over the skeleton's; the section and its reference go."""
    head = text.read_text("utf-8").split("\n\n")[0]
    text.write_text(f"{head}\nSee also: 1\n\n{ANSWER}", "utf-8")


def stem() -> str:
    (path,) = [name for name in STEPS if name.startswith("source/")]
    return Path(path).stem


def question() -> str:
    return shlex.split(step(".venv/bin/python scripts/build.py new 26"))[-1]


def html(project: Path, name: str) -> str:
    return (project / "site" / name / "index.html").read_text("utf-8")


def test_the_steps_are_those_of_the_readme() -> None:
    assert len(STEPS) >= 6
    for target in ("make serve", "make test"):
        assert target in STEPS
        assert re.search(rf"^{target.split()[1]}:", MAKEFILE, re.MULTILINE)


def test_it_has_its_page(project: Path) -> None:
    page = unescape(html(project, f"questions/{stem()}"))
    assert question() in page
    assert "quokka" in page
    assert "Not yet checked" not in page
    assert 'id="claim-means-agree"' in page
    assert re.search(r"The mean was \d\.\d\d", page)


def test_the_neighbours_know_it(project: Path) -> None:
    for name in ("", "questions/01-deep-learning"):
        page = html(project, name)
        assert re.search(rf'href="[^"]*questions/{stem()}/"|href="\.\./{stem()}/"', page), name
    nav = html(project, "questions/01-deep-learning").split('data-md-type="navigation"')[1]
    assert f"{stem()}/" in nav.split('data-md-type="toc"')[0]


def test_the_search_finds_it(project: Path) -> None:
    docs = json.loads(whole_index(project / "site").read_text("utf-8"))["docs"]
    found = [doc["location"] for doc in docs if "quokka" in doc["text"]]
    assert any(place.startswith(f"questions/{stem()}/") for place in found)
    assert question() in [unescape(doc["title"]) for doc in docs]


def test_questions_json_lists_it_with_claim_and_measured_value(project: Path) -> None:
    data = json.loads((project / "site" / "questions.json").read_text("utf-8"))
    (entry,) = [entry for entry in data["questions"] if entry["number"] == 26]
    assert entry["stem"] == stem()
    assert entry["question"] == question()
    assert entry["url"] == f"questions/{stem()}/"
    (claim,) = entry["claims"]
    assert claim["url"] == f"questions/{stem()}/#claim-means-agree"
    assert re.fullmatch(r"means [\d.]+ to [\d.]+ \(5 seeds, true mean 1\)", claim["measured"])
    assert claim["measured"] in unescape(html(project, f"questions/{stem()}"))
    assert entry["notebook"]["path"] == f"notebooks/{stem()}.ipynb"
    assert data["counts"]["questions"] == 26


def test_the_readme_counts_it(project: Path) -> None:
    assert "26 questions" in (project / "README.md").read_text("utf-8")


def test_the_site_passes_its_gates(project: Path) -> None:
    assert "passes every gate" in passed(build("check", root=project))


def test_a_number_out_of_order_or_a_file_in_the_way_is_refused(project: Path) -> None:
    before = tree(project / "source")
    refused(build("new", "29", "What comes?", root=project), "question 29", "use 27")
    refused(build("new", "26", question(), root=project), "question 26", "use 27")
    assert tree(project / "source") == before
