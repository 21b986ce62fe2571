"""What the site says of all questions together."""

from __future__ import annotations

import json
import re

import pytest

from samples import evidence, foreign, parse, published, words
from stages.front import (
    counts,
    counts_sentence,
    home_page,
    navigation,
    questions_json,
    topics_page,
    ways_page,
)
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
            "Questions": [
                {
                    "R&amp;D": [
                        {"1. Why &amp; &quot;so&quot;": "questions/01-why-so.md"},
                        {"3. When x {: .z }?": f"questions/{BANK.questions[2].stem}.md"},
                    ]
                },
                {"2. What?": "questions/02-what.md"},
            ]
        },
    ]


def test_the_navigation_leads_to_what_was_generated_and_to_pages_by_hand() -> None:
    made = ("index.md", "topics.md", "evidence.md", "print.md", "cheat-sheet.md")
    nav = navigation(BANK, made, ["about.md"])
    assert [item if isinstance(item, str) else next(iter(item)) for item in nav] == [
        "Home", "Questions", "Evidence", "On paper", "about.md",
    ]  # fmt: skip
    assert nav[1]["Questions"][0] == "topics.md"


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
    assert not foreign(shown, front=True)
    text = words(shown)
    assert 'A *bank* of <=> "questions" & more' in text
    assert "A first line, a_b_c" in text
    assert '1 Why & "so" core ✓ 1 claim Why a_b?' in text
    assert "3 When x {: .z }?" in text
    assert re.findall(r'href="(questions/[^"]*)"', shown) == [
        f"questions/{BANK.questions[n].stem}.md" for n in (0, 2, 1)
    ]
    assert "3 questions 1 claim checked 2 pages not checked yet" in text
    assert "3 questions, not yet checked by an experiment" in words(published(home_page(BANK, {})))


def test_the_home_page_shows_the_shortest_half_truth_that_a_claim_sets_right() -> None:
    said = """T

1. Why?

So [#long] [#short].

## Often said

> It is long and it goes on.

No [#long].

> Short.

No [#short], nor [#long].
"""
    bank = parse(said, stems=("why",))
    claims = (Claim("long", "A long sentence.", "1 and 2 and 3"), Claim("short", "Not so.", "4"))
    shown = words(published(home_page(bank, {"why": evidence(*claims)})))
    assert "Often said of Why? Short. ✓ Checked Not so. Measured: 4. See the cell" in shown
    assert "Often said" not in words(published(home_page(BANK, EVIDENCE)))


def test_the_topics_page_lists_questions_by_topic_and_tags() -> None:
    shown = published(topics_page(BANK, EVIDENCE))
    assert not foreign(shown, front=True)
    assert 'id="topic-r-d"' in shown and 'id="tag-a"' in shown
    assert "R&D" in words(shown) and "Why a_b?" in words(shown)


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
        bank = parse(text)
        for page in (home_page(bank, {}), topics_page(bank, {}), ways_page(bank, {1: 1})):
            shown = published(page) if page else ""
            assert not foreign(shown, front=True)
            assert "<img" not in shown


def test_topics_and_tags_whose_ids_would_clash_have_ids_of_their_own() -> None:
    text = "T\n"
    for number, topic in enumerate(("C++", "C#", "Tags", "Topics", "+", "C++"), 1):
        text += f"\n{number}. Why {number}?\nTopic: {topic}\nTags: {topic}, tags\n\nSo.\n"
    bank = parse(text)
    for page in (home_page(bank, {}), topics_page(bank, {})):
        ids = re.findall(r'\bid="([^"]*)"', published(page))
        assert len(ids) == len(set(ids)), ids
    home = published(home_page(bank, {}))
    offered = re.findall(r'<option value="([^"]+)"', home)
    assert offered == re.findall(r'data-topic="([^"]+)"', home)
    assert len(set(offered)) == 5
