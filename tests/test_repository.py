"""The repository as a whole: its text, its README and what is not to be in it."""

from __future__ import annotations

import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stages.front import counts, counts_sentence
from stages.pages import Assembled, assemble
from stages.prose import cut
from stages.records import Question
from stages.validate import SHORT_WORDS

ROOT = Path(__file__).resolve().parents[1]
TOPICS = {
    "Foundations",
    "Architectures",
    "Training",
    "Regularisation",
    "Sequences and language",
    "Generative and unsupervised",
    "Practice",
}


@pytest.fixture(scope="module")
def ours() -> Assembled:
    return assemble(ROOT / "source", ROOT / "notebooks")


def finished(ours: Assembled) -> list[Question]:
    return [q for q in ours.bank.questions if q.stem in ours.evidence]


def test_all_questions_are_answered(ours: Assembled) -> None:
    assert [q.number for q in ours.bank.questions] == list(range(1, len(ours.bank.questions) + 1))
    assert len(ours.bank.questions) >= 25
    for question in ours.bank.questions:
        assert question.stem == Path(question.path).stem
        assert len(question.short.text.split()) <= SHORT_WORDS, question.stem
        assert question.topic in TOPICS, question.stem
        for header in ("level", "tags", "also_asked", "see_also"):
            assert getattr(question, header), f"{question.stem} has no header {header}"
        assert "title" in {name.lower() for name in question.header_lines}, question.stem


def test_each_notebook_has_a_question(ours: Assembled) -> None:
    assert {p.stem for p in (ROOT / "notebooks").glob("*.py")} == set(ours.evidence)


def prose_words(text: str) -> int:
    """Words of prose: without formulas, code, citations and the rules of tables."""
    words = " ".join(segment.text for segment in cut(text) if segment.kind == "text")
    return len(re.findall(r"\w[^\s|]*", re.sub(r"\[[@#][\w-]+\]", " ", words)))


def standard_faults(question: Question, ours: Assembled) -> list[str]:
    """What a finished page lacks of the standard that CONTRIBUTING.md and the style guide set."""
    evidence, page = (
        ours.evidence[question.stem],
        next(p for p in ours.pages if p.stem == question.stem),
    )
    words = prose_words(question.depth.text) if question.depth else 0
    follow_ups = [prose_words(item.answer.text) for item in question.follow_ups]
    faults = {
        f"in depth has {words} words, not 500 to 1,000": not 500 <= words <= 1000,
        "fewer than 4 claims": len(evidence.claims) < 4,
        "fewer than 2 figures": len(page.figures) < 2,
        "fewer than 2 half-truths": len(question.often_said) < 2,
        "fewer than 4 follow-ups": len(follow_ups) < 4,
        f"follow-ups of {follow_ups} words, not 40 to 120": any(
            not 40 <= count <= 120 for count in follow_ups
        ),
        "fewer than 4 references": len(question.references) < 4,
    }
    return [f"{question.stem}: {what}" for what, wrong in faults.items() if wrong]


def test_finished_pages_keep_the_standard(ours: Assembled) -> None:
    assert finished(ours)
    assert [fault for q in finished(ours) for fault in standard_faults(q, ours)] == []


@pytest.mark.parametrize("part", ["depth", "often_said", "follow_ups", "references"])
def test_the_standard_notices_what_is_taken_away(ours: Assembled, part: str) -> None:
    from dataclasses import replace

    whole = finished(ours)[0]
    less = replace(whole, **{part: None if part == "depth" else getattr(whole, part)[:1]})
    assert standard_faults(less, ours)


def test_readme_counts_what_is_there(ours: Assembled) -> None:
    said = counts_sentence(counts(ours.bank, ours.evidence))
    assert said in (ROOT / "README.md").read_text("utf-8"), "run `make pages`"


def test_readme_map_is_true() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    tree = text.split("## What is where")[1].split("```")[1]
    paths = [line.split()[0] for line in tree.strip().splitlines()]
    assert len(paths) > 8
    for path in paths:
        assert any(ROOT.glob(path.rstrip("/"))), path
    tracked = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=True
    ).stdout.split()
    folders = {name.split("/")[0] for name in tracked if "/" in name and name[0] != "."}
    assert folders <= {path.split("/")[0] for path in paths}, "a folder is missing from the map"


def test_links_of_the_front_door_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "STYLE_GUIDE.md"):
        text = (ROOT / name).read_text("utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
            assert (ROOT / target).exists(), f"{name} links to {target}"


def test_ci_calls_the_test_command_of_the_readme() -> None:
    lines = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    commands = [line for line in lines[1:] if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test"]
    assert "make test" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_a_lock_names_the_extras_that_its_packages_ask_for(name: str) -> None:
    """Else pip looks for a release of its own for `coverage[toml]`, and refuses a newer one."""
    text = (ROOT / name).read_text("utf-8")
    locked = [Requirement(line) for line in re.findall(r"^\S+==[^\s;\\]+", text, re.M)]
    extras = {canonicalize_name(found.name): found.extras for found in locked}
    asked = 0
    for package in extras:
        try:
            needs = metadata.requires(package) or []
        except metadata.PackageNotFoundError:  # of another platform
            continue
        for need in map(Requirement, needs):
            if need.extras and (need.marker is None or need.marker.evaluate({"extra": ""})):
                asked += 1
                assert need.extras <= extras[canonicalize_name(need.name)], f"{package}: {need}"
    assert asked
