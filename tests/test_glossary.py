"""The glossary: its grammar, its links in prose, its page."""

from __future__ import annotations

from pathlib import Path

import pytest

from samples import foreign, made, parse, published, sound, text_of, words
from stages.glossary import Explainer, glossary_faults, glossary_page, parse_glossary
from stages.pages import assemble
from stages.parse import decode
from stages.prose import Sources, weave
from stages.records import Block, Fault, Glossary, Refused

GOOD = """# Glossary

Words.

## LSTM
Stands for: long short-term memory
See also: 1

A cell with $c_t$.

## logit

The number *before* a softmax.

## BN
Stands for: batch normalisation

Scales.
"""


def read(text: str) -> Glossary:
    return parse_glossary(decode("glossary.md", "glossary", text.encode()))


def refused(text: str) -> tuple[Fault, ...]:
    with pytest.raises(Refused) as found:
        read(text)
    return sound(found.value)


# ── the grammar ────────────────────────────────────────────────────────────────────────────────


def test_entries_are_read_and_sorted() -> None:
    glossary = read(GOOD)
    assert (glossary.title, glossary.intro.text) == ("Glossary", "Words.")
    assert [(t.name, t.stands_for, t.see_also) for t in glossary.terms] == [
        ("BN", "batch normalisation", ()),
        ("logit", "", ()),
        ("LSTM", "long short-term memory", (1,)),
    ]
    assert glossary.terms[2].meaning == Block("A cell with $c_t$.", 9)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("Words.\n\n## A\n\nb", 1, "no title"),
        ("# Glossary\n\nWords.", 1, "no entry"),
        ("# G\n\n## A\n", 3, "'A' has no meaning"),
        ("# G\n\n## A\nStand for: b\n\nc", 4, "unknown header 'Stand for'"),
        ("# G\n\n## A\nno header\n\nc", 4, "unknown header 'no header'"),
        ("# G\n\n## A\nSee also: four\n\nc", 3, "'four' under See also is no number"),
        ("# G\n\n## A\n\nb\n\n## a\n\nb", 7, "'a' stands twice"),
        ("# G\n\n## €\n\nb", 3, "no letter"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, line: int, what: str) -> None:
    found = refused(text)
    assert any(fault.line == line and what in fault.what for fault in found), found


def test_the_words_of_an_entry_are_held_to_what_prose_is() -> None:
    bank = parse(text_of("So."))
    text = "# G\n\n## A\nSee also: 7\n\n<b>x</b> [x](javascript:y) $\\x$\n\n## <i>\n\nx\n"
    said = " ".join(fault.what for fault in glossary_faults(read(text), bank))
    for what in ("raw HTML", "question 7", "maths that cannot be read", "a mark in '<i>'"):
        assert what in said
    assert glossary_faults(read(GOOD), bank) == []


# ── links in prose ─────────────────────────────────────────────────────────────────────────────


def explained(text: str) -> str:
    woven = weave(Block(text, 1), Sources("", literal=True)).text
    return Explainer(read(GOOD), "../glossary.md")(woven)


LINK = '[BN](../glossary.md#bn){ .term title="batch normalisation" }'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("With BN, and BN.", f"With {LINK}, and BN."),
        ("Two BNs.", f"Two {LINK}s."),
        ("*BN* (BN)", f"*{LINK}* (BN)"),
        ("BN-free, pre-BN, BNX, xBN, bn", "BN-free, pre-BN, BNX, xBN, bn"),
        ("`BN` and BN", f"`BN` and {LINK}"),
        ("[BN](x.md) and BN", f"[BN](x.md) and {LINK}"),
        ("[see BN `x`](https://e.org/BN) BN", f"[see BN `x`](https://e.org/BN) {LINK}"),
        ("### BN\n\nBN", f"### BN\n\n{LINK}"),
        ("```\nBN\n```\n\nBN", f"```\nBN\n```\n\n{LINK}"),
        ("- x\n\n        BN\n\nBN", f"- x\n\n        BN\n\n{LINK}"),
        ("| BN |\n|---|\n| x |", f"| {LINK} |\n|---|\n| x |"),
        ("logit", "logit"),
    ],
)
def test_the_first_use_of_an_abbreviation_is_linked(text: str, shown: str) -> None:
    assert explained(text) == shown


def test_formulas_and_tags_are_left_alone() -> None:
    shown = explained("$\\operatorname{BN}(x)$<br>BN")
    assert shown.count("../glossary.md") == 1
    assert shown.endswith(LINK)
    assert Explainer(Glossary(), "x")("BN") == "BN"


def test_a_page_explains_each_abbreviation_once(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "glossary.md").write_text(GOOD, "utf-8")
    text = "T\n\n1. Is BN used?\n\nBN it is.\n\n## In depth\n\nBN and LSTM.\n\n2. And?\n\nBN too.\n"
    (tmp_path / "source" / "a.txt").write_text(text, "utf-8")
    done = assemble(tmp_path / "source", tmp_path / "none")
    first, second = (page.markdown for page in done.pages)
    assert first.count("glossary.md#bn") == 1 and first.count("glossary.md#lstm") == 1
    assert second.count("glossary.md#bn") == 1
    # On other pages it leads to the same place.
    assert b"](glossary.md#bn)" in done.front["print.md"]
    assert b"](glossary.md#bn)" in done.front["cheat-sheet.md"]
    shown = published(first)
    assert 'title="batch normalisation"' in shown and not foreign(shown)


def test_a_bank_in_one_file_has_no_glossary(tmp_path: Path) -> None:
    (tmp_path / "glossary.md").write_text(GOOD, "utf-8")
    assert "glossary.md" not in made(text_of("BN."), tmp_path).front


def test_a_faulty_glossary_refuses_the_bank(tmp_path: Path) -> None:
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "glossary.md").write_text("# G\n\n## A\nX: y\n\nz\n", "utf-8")
    (tmp_path / "bank" / "a.txt").write_text(text_of("So."), "utf-8")
    with pytest.raises(Refused, match="unknown header 'X'"):
        assemble(tmp_path / "bank", tmp_path / "none")


# ── the page ───────────────────────────────────────────────────────────────────────────────────


def test_the_page_has_every_entry_with_its_questions() -> None:
    bank = parse(text_of("So.", headers="Title: Why *so*\n"))
    shown = published(glossary_page(read(GOOD), bank))
    assert not foreign(shown, front=True)
    text = words(shown)
    assert "long short-term memory" in text and "1. Why so" in text
    assert 'id="bn"' in shown and 'id="logit"' in shown
    assert text.index("BN") < text.index("logit") < text.index("LSTM")
    assert glossary_page(Glossary(), bank) == ""
