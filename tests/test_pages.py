"""From files to pages on disk: golden pairs, pairing, nothing written when anything is refused.

The pages of `tests/golden` are renewed with `RENEW=1 .venv/bin/python -m pytest tests/test_pages.py`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import (
    ROOT,
    claim,
    code,
    made,
    made_refused,
    notebook,
    parse,
    printed,
    prose,
    sound,
    text_of,
    value,
)
from stages.pages import assemble, pair_notebooks, write_counts, write_front, write_pages
from stages.parse import decode, parse_bank
from stages.records import Refused
from stages.render import render_page
from stages.validate import bank_faults
from workbench import tree

GOLDEN = Path("tests/golden")
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"><path d="M 0 0 L 9.12345 1"'
    ' style="stroke: #000000"/></svg>'
)
TABLE = "<table><thead><tr><th></th><th>a</th></tr></thead><tbody><tr><th>0</th><td>1</td></tr></tbody></table>"
MEAN = notebook(
    prose("## Two estimates\n\nOne of ten values is sent off."),
    code("x = values()\nprint(x)", printed("[0, 1, 2]\n")),
    code("frame", value("   a\n0  1", html=TABLE)),
    code("draw()", value("<Figure>", svg=SVG), alt="The mean follows by {{shift:.1f}}, the median stays.", caption="The mean is moved by *any* value."),
    claim("mean-moves", "One value in ten moves the `mean` of $x$ and not the median.", "mean 0.5, median 0.0"),
    results={"shift": 0.5},
)  # fmt: skip


# ── golden pairs ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("source", "pair"),
    [
        ("examples/bare.txt", "bare"),
        ("tests/golden/lists/lists.txt", "lists"),
        ("tests/golden/whole", "whole"),
    ],
)
def test_texts_give_the_pages_that_were_looked_at(
    source: str, pair: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    (notebooks / "01-mean.ipynb").write_text(MEAN, "utf-8")
    done = assemble(Path(source), notebooks, repository="https://github.com/someone/repo")
    write_pages(done, tmp_path / "docs" / "questions")
    write_front(done, tmp_path / "docs")
    if os.environ.get("RENEW"):
        shutil.rmtree(GOLDEN / pair / "docs", ignore_errors=True)
        shutil.copytree(tmp_path / "docs", GOLDEN / pair / "docs")
    assert tree(tmp_path / "docs") == tree(GOLDEN / pair / "docs")


# ── pairing ────────────────────────────────────────────────────────────────────────────────────


def test_a_notebook_joins_by_stem_and_by_number_only_when_asked(tmp_path: Path) -> None:
    questions = parse("T\n\n1. Why?\n\nSo.\n\n2. What?\n\nThat.\n\n3. When?\n\nNow.\n").questions
    for name in ("01-why", "2-other", "02x", "three-3", "12-no"):
        (tmp_path / f"{name}.ipynb").touch()
    by_stem, faults = pair_notebooks(questions, tmp_path, by_number=False)
    assert (sorted(by_stem), faults) == (["01-why"], [])
    by_number, faults = pair_notebooks(questions, tmp_path, by_number=True)
    assert {stem: path.name for stem, path in by_number.items()} == {
        "01-why": "01-why.ipynb",
        "02-what": "2-other.ipynb",
    }
    assert not faults
    (tmp_path / "002-another.ipynb").touch()
    _, (fault,) = pair_notebooks(questions, tmp_path, by_number=True)
    assert (
        "several notebooks start with the number of question 2: 002-another.ipynb, 2-other.ipynb"
        in fault.what
    )
    assert pair_notebooks(questions, tmp_path / "gone", by_number=False) == ({}, [])


def test_pairings_by_number_are_told(tmp_path: Path) -> None:
    books = tmp_path / "books"
    books.mkdir()
    (books / "1-else.ipynb").write_text(MEAN, "utf-8")
    done = made(text_of("So."), tmp_path, notebooks=books, by_number=True)
    assert done.notices == ("1-else.ipynb joins the page bank",)
    assert "bank/figure-1." in done.pages[0].markdown
    assert done.pages[0].files().keys() >= {"bank.md"}
    said = made_refused(text_of("So."), tmp_path, notebooks=tmp_path / "gone", by_number=True)
    assert said == "gone: no such folder; name a folder of notebooks"


# ── nothing is written when anything is refused ────────────────────────────────────────────────


def test_refused_texts_leave_earlier_pages_as_they_were(tmp_path: Path) -> None:
    output = tmp_path / "docs" / "questions"
    good = "T\n\n1. Why?\n\nSo.\n\n2. What?\n\nThat.\n"
    write_pages(made(good, tmp_path), output)
    before = tree(tmp_path / "docs")
    assert sorted(before) == ["questions/.generated", "questions/01-why.md", "questions/02-what.md"]
    for bad in (
        good + "\n<script>\n",
        good + "\n4. Skipped?\n",
        good.replace("So.", "").replace("1.", "1."),
        "\0",
    ):
        made_refused(bad, tmp_path)
        assert tree(tmp_path / "docs") == before
    # Another text takes the place of the first, and nothing of that is left.
    write_pages(made("T\n\n1. Whence?\n\nHence.\n\n2. What?\n\nThat.\n", tmp_path), output)
    assert sorted(tree(output)) == [".generated", "01-whence.md", "02-what.md"]
    assert (output / "02-what.md").read_bytes() == before["questions/02-what.md"]


def test_the_readmes_counts_are_filled_in(tmp_path: Path) -> None:
    done, readme = made(text_of("So."), tmp_path), tmp_path / "README.md"
    write_counts(done, readme)
    assert not readme.exists()
    readme.write_text("a\n<!-- counts -->\nold\n<!-- /counts -->\nb\n", "utf-8")
    write_counts(done, readme)
    assert readme.read_text("utf-8") == (
        "a\n<!-- counts -->\n1 question, not yet checked by an experiment.\n<!-- /counts -->\nb\n"
    )
    readme.write_text("no marks", "utf-8")
    write_counts(done, readme)
    assert readme.read_text("utf-8") == "no marks"


# ── properties ─────────────────────────────────────────────────────────────────────────────────

LINES = st.sampled_from([
    "", "", "", "T", "1. Why?", "2. What?", "3. When?", "1. a", "2. b", "  2. c", "Title: x", "Title: <b>", "Level: core",
    "See also: 1, 2", "## In depth", "## Often said", "## Follow-ups", "## References", "### Why?", "> said", "x\n===",
    "- [a] B (2016). C. arXiv:1", "An answer [@a].", "An *answer* with `code` & $x$.", "$$\\frac", "<script>", "[a](javascript:b)",
    "© 2026 Us", "```", "    code", "- a", "| a | b |\n|---|---|\n| c | d |", "{{x}} [#y]", "\u00a0", "a\0b",
])  # fmt: skip


@given(st.lists(LINES, max_size=25) | st.lists(st.text(max_size=12), max_size=8))
def test_no_text_gives_a_traceback_on_the_way_to_its_pages(lines: list[str]) -> None:
    try:
        bank = parse_bank([decode("0.txt", "0", "\n".join(lines).encode("utf-8", "replace"))])
        if faults := bank_faults(bank, {}, set()):
            raise Refused(faults)
    except Refused as refused:
        sound(refused)
    else:
        for question in bank.questions:
            assert not render_page(question, None, bank).faults


def test_a_notebook_that_belongs_to_no_question_is_refused(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    shutil.copytree(root / "notebooks", tmp_path / "notebooks")
    stored = tmp_path / "notebooks" / "03-backpropagation.ipynb"
    stored.rename(stored.with_name("03-backprop.ipynb"))
    with pytest.raises(Refused, match=r"03-backprop\.ipynb: belongs to no question; name it 03-"):
        assemble(root / "source", tmp_path / "notebooks")
