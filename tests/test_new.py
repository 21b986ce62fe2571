"""The skeletons: what `new` writes is sound, and what it cannot write is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from samples import ROOT, foreign, published
from stages.execute import run_notebooks
from stages.new import new_question
from stages.notebook_text import NotebookText, read_notebook_text
from stages.pages import assemble
from stages.parse import parse_bank, read_source
from stages.records import Refused
from stages.write import write_if_changed


def added(
    folder: Path, number: int = 1, question: str = "Why is the sky blue?"
) -> tuple[Path, Path]:
    return new_question(number, question, folder / "source", folder / "notebooks")


def refused(folder: Path, number: int, question: str) -> str:
    before = sorted(folder.rglob("*"))
    with pytest.raises(Refused) as found:
        added(folder, number, question)
    assert sorted(folder.rglob("*")) == before
    return str(found.value).replace(f"{folder.as_posix()}/", "")


def test_text_and_notebook_share_a_stem(tmp_path: Path) -> None:
    text, notebook = added(tmp_path)
    assert text == tmp_path / "source" / "01-why-is-the-sky-blue.txt"
    assert notebook == tmp_path / "notebooks" / "01-why-is-the-sky-blue.py"
    added(tmp_path, 2, "数学?")
    bank = parse_bank(read_source(tmp_path / "source"))
    assert [(q.number, q.stem) for q in bank.questions] == [
        (1, "01-why-is-the-sky-blue"),
        (2, "02-question"),
    ]
    assert bank.title == "Questions and answers"


@pytest.mark.parametrize(
    ("number", "question", "said"),
    [
        (2, "Why?", "question 2: is not the next number; use 1"),
        (0, "Why?", "question 0: is not the next number; use 1"),
        (-1, "Why?", "is not the next number"),
        (1, "", 'question 1: no question is given; write new 26 "What is …?"'),
        (1, " \n ", "no question is given"),
        (1, "?", "question 1:2: header 'Title' is empty"),
        (1, "Why <script>?", "raw HTML in a title or header"),
        (1, "Why \0?", "NUL in the text"),
        (1, r"Why $\frobnicate$?", "maths that cannot be read"),
        (1, "x" * 30_000, "characters (at most 20000)"),
    ],
)
def test_what_cannot_be_a_question_is_refused(
    number: int, question: str, said: str, tmp_path: Path
) -> None:
    assert said in refused(tmp_path, number, question)


@pytest.mark.parametrize(
    "question",
    ["{{ config }} {% raw %}?", "Why: \"a\" 'b' # c?", "--- %% \\ */ ?", "../../x", "1. Why?", "Title: x",
     "a\nTopic: b\n\n2. c?", "é" * 200, "x" * 5000, os.fsdecode(b"caf\xe9?"), "[a](https://b.org) `c` $d$?"],
)  # fmt: skip
def test_any_other_question_gives_sound_skeletons(question: str, tmp_path: Path) -> None:
    text, notebook = added(tmp_path, 1, question)
    assert {text.parent, notebook.parent} == {tmp_path / "source", tmp_path / "notebooks"}
    page = assemble(tmp_path / "source", tmp_path / "notebooks").pages[0]
    assert not foreign(published(page.markdown))
    assert len(read_notebook_text(notebook).cells) > 5


def test_a_file_in_the_way_stays(tmp_path: Path) -> None:
    write_if_changed(tmp_path / "notebooks" / "01-why.py", "mine")
    said = refused(tmp_path, 1, "Why?")
    assert said == "notebooks/01-why.py: is there already; rename or delete it"


def test_a_refused_text_is_not_added_to(tmp_path: Path) -> None:
    write_if_changed(tmp_path / "source" / "a.txt", "no question")
    assert "source/a.txt: no question in this file" in refused(tmp_path, 2, "Why?")


def run(text: NotebookText, seed: int) -> tuple[dict[str, Any], str, str]:
    """The skeleton's names under a seed, its claim and its counterfactual."""
    names: dict[str, Any] = {}
    claim = falsify = ""
    for cell in text.cells:
        if cell.kind == "code":
            exec(cell.source, names)
            if "parameters" in cell.tags:
                names["SEED"] = seed
            if "claim" in cell.tags:
                claim, falsify = cell.source, str(cell.metadata["falsify"])
    return names, claim, falsify


def test_the_skeletons_claim_holds_and_its_counterfactual_fails(tmp_path: Path) -> None:
    text = read_notebook_text(added(tmp_path)[1])
    for seed in range(200):
        names, claim, falsify = run(text, seed)
        exec(falsify, names)
        with pytest.raises(AssertionError):
            exec(claim, names)


def test_skeletons_become_a_page_before_and_after_the_notebook_ran(tmp_path: Path) -> None:
    added(tmp_path)
    source, notebooks = tmp_path / "source", tmp_path / "notebooks"
    assert "Not yet checked" in assemble(source, notebooks).pages[0].markdown
    run_notebooks(notebooks, ["01-why-is-the-sky-blue"], requirements=ROOT / "requirements-notebooks.txt", jobs=1)  # fmt: skip
    page = assemble(source, notebooks).pages[0]
    shown = published(page.markdown)
    assert not foreign(shown)
    assert "Not yet checked" not in shown
    assert "{{" not in shown
    assert 'id="claim-means-agree"' in shown
