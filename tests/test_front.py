"""What the site says of all questions together."""

from __future__ import annotations

import json
import re

import pytest

from samples import evidence, foreign, parse, published, words
from stages.front import OTHER, counts, counts_sentence, home_page, navigation, questions_json
from stages.records import Claim

TEXT = """A *bank* of <=> "questions" & more
A first line, a_b_c

1. Why `a_b`?
Title: *Why* & "so"
Topic: R&D
Level: core
Tags: a, b
Also asked: how come
See also: 3

It is {{gap:.1f}} [#gap-is-large].

2. What?

That.

3. When [x](https://y.org) {: .z }?
Topic: R&D

Now.

© 2026 Us
"""
CLAIM = Claim("gap-is-large", "The gap is large.", "gap 0.2")
BANK = parse(TEXT)
EVIDENCE = {"01-why-so": evidence(CLAIM, gap=0.25)}


def test_questions_are_grouped_by_topic_in_the_order_of_the_text() -> None:
    assert navigation(BANK) == [
        {"Home": "index.md"},
        {
            "R&amp;D": [
                {"1. Why &amp; &quot;so&quot;": "questions/01-why-so.md"},
                {"3. When x {: .z }?": f"questions/{BANK.questions[2].stem}.md"},
            ]
        },
        {OTHER: [{"2. What?": "questions/02-what.md"}]},
    ]


def test_what_is_checked_is_counted() -> None:
    assert counts(BANK, EVIDENCE) == {"questions": 3, "checked": 1, "unchecked": 2, "claims": 1}
    assert counts(BANK, {})["claims"] == 0


@pytest.mark.parametrize(
    ("checked", "unchecked", "claims", "said"),
    [
        (0, 3, 0, "3 questions, not yet checked by an experiment."),
        (3, 0, 9, "3 questions, 3 of them finished, with 9 claims checked."),
        (1, 2, 4, "The other 2 have a short answer, not yet checked by an experiment."),
    ],
)
def test_counts_are_said_in_a_sentence(
    checked: int, unchecked: int, claims: int, said: str
) -> None:
    counted = {"questions": 3, "checked": checked, "unchecked": unchecked, "claims": claims}
    assert counts_sentence(counted).endswith(said)


def test_questions_json_holds_every_question_as_words() -> None:
    data = json.loads(questions_json(BANK, EVIDENCE))
    assert (data["title"], data["rights"]) == ('A *bank* of <=> "questions" & more', "© 2026 Us")
    first, second, _ = data["questions"]
    assert first == {
        "number": 1,
        "stem": "01-why-so",
        "title": 'Why & "so"',
        "question": "Why a_b?",
        "url": "questions/01-why-so/",
        "level": "core",
        "topic": "R&D",
        "tags": ["a", "b"],
        "also_asked": ["how come"],
        "see_also": [3],
        "short_answer": "It is 0.2.",
        "claims": [
            {
                "slug": "gap-is-large",
                "text": "The gap is large.",
                "measured": "gap 0.2",
                "url": "questions/01-why-so/#claim-gap-is-large",
            }
        ],
        "notebook": {
            "path": "notebooks/01-why.ipynb",
            "seconds": 1.0,
            "versions": {},
            "executed": "2026-01-02",
        },
    }
    assert (second["claims"], second["notebook"]) == ([], None)


def test_the_home_page_lists_every_question_and_says_what_is_checked() -> None:
    shown = published(home_page(BANK, EVIDENCE))
    assert not foreign(shown)
    text = words(shown)
    assert 'A *bank* of <=> "questions" & more' in text
    assert "A first line, a_b_c" in text
    assert '1. Why & "so" ✓ 1 claim Why a_b?' in text
    assert "3. When x {: .z }?" in text
    assert re.findall(r'href="(questions/[^"]*)"', shown) == [
        f"questions/{BANK.questions[n].stem}.md" for n in (0, 2, 1)
    ]
    assert counts_sentence(counts(BANK, EVIDENCE)) in text
    assert "not yet checked by an experiment" in words(published(home_page(BANK, {})))


@pytest.mark.parametrize(
    "title",
    ["]({: onclick=x }{", "![a](javascript:x)", "&lt;script&gt;", "`", "``` x", "[a]&#40;javascript:x)",
     "&#", "$", "{% raw %}", "*a _b", "a | b", "\\", "{{ x }}", "\\[a](javascript:x)"],
)  # fmt: skip
def test_no_title_brings_anything_foreign_to_the_home_page(title: str) -> None:
    for text in (
        f"T\n\n1. {title}\n\nSo.\n",
        f"T\n\n1. Why?\nTitle: {title}\nTopic: {title}\n\nSo.\n",
        f"T {title}\nT {title}\n\n1. Why?\n\nSo.\n",
    ):
        shown = published(home_page(parse(text), {}))
        assert not foreign(shown)
        assert "<img" not in shown
