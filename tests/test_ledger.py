"""The ledger: every claim, what it sets right, and how to report it."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from samples import evidence, foreign, parse, published, words
from stages.ledger import contradictions, evidence_page
from stages.records import Claim
from stages.render import report_address

TEXT = """A bank

1. Why?
Title: Why & so

So [#a-b] [#c].

## Often said

> It is *never* `so`.

It is [#c], and [#a-b] too [#c].

> A source says so.

No claim here, `[#a-b]` is code.

2. What?

That.
"""
BANK = parse(TEXT, stems=("why",))
FIRST, SECOND = BANK.questions
A = Claim("a-b", "The gap of $x$ is `large` & <wide>.", "gap 0.2")
C = Claim("c", "It is so.", "1 of 1")
EVIDENCE = {FIRST.stem: evidence(A, C)}


def test_half_truths_are_set_right_by_the_claims_that_their_answers_cite() -> None:
    found = contradictions(FIRST, EVIDENCE[FIRST.stem])
    assert [(one.said, one.claim.slug) for one in found] == [
        ("It is never so.", "c"),
        ("It is never so.", "a-b"),
    ]
    assert contradictions(FIRST, None) == []


def test_the_ledger_has_every_claim_with_what_was_measured_and_where() -> None:
    shown = published(evidence_page(BANK, EVIDENCE))
    assert not foreign(shown, front=True)
    text = words(shown)
    assert "1 page" in text and "every claim of the site: 2" in text
    assert "is large & <wide>. Measured gap 0.2" in text
    assert text.count("Often said It is never so.") == 2
    assert f"questions/{FIRST.stem}.md#claim-a-b" in shown
    assert f'id="q1-{A.slug}"' in shown
    assert "Not checked yet" in text and f"questions/{SECOND.stem}.md" in shown
    assert "issues/new" not in shown
    assert "No page of this site is checked" in words(published(evidence_page(BANK, {})))


def test_a_claim_can_be_reported_where_a_repository_is_configured() -> None:
    address = report_address("https://github.com/some/one.git", FIRST, A)
    parts = urlsplit(address)
    assert (parts.netloc, parts.path) == ("github.com", "/some/one/issues/new")
    asked = parse_qs(parts.query)
    assert asked["title"] == ["Wrong claim in 1. Why & so: a-b"]
    for words_of_it in (A.text, A.measured, f"questions/{FIRST.stem}/#claim-a-b"):
        assert words_of_it in asked["body"][0]
    assert "claim" not in parse_qs(urlsplit(report_address("https://github.com/a/b", FIRST)).query)
    for other in ("", "https://gitlab.com/a/b", "https://github.com/a/b/c", "javascript:x"):
        assert report_address(other, FIRST, A) == ""
    shown = published(evidence_page(BANK, EVIDENCE, "https://github.com/some/one"))
    assert shown.count("https://github.com/some/one/issues/new?") == 2
    assert not foreign(shown, front=True)
