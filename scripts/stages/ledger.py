"""The ledger: every claim of the site in one place, and what popular answers say instead."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass

from stages.prose import Sources, inline_html, plain_literal, plain_text, weave
from stages.records import Bank, Claim, Evidence, Question
from stages.render import report_address
from stages.template import fill, front_matter

PAGE = "evidence.md"


@dataclass(frozen=True)
class Contradiction:
    """A half-truth, and a claim that its answer cites."""

    question: Question
    said: str  # as plain words
    claim: Claim

    @property
    def length(self) -> int:
        """Characters that it takes to tell it."""
        return len(self.said) + len(self.claim.text) + len(self.claim.measured)


def contradictions(question: Question, evidence: Evidence | None) -> list[Contradiction]:
    """What a question's half-truths are set right by, in the order of its text."""
    sources = Sources(question.path, evidence, question.references)
    claims = {claim.slug: claim for claim in evidence.claims} if evidence else {}
    found = []
    for item in question.often_said:
        cited = weave(item.answer, sources).claims
        in_order = dict.fromkeys(re.findall(r"\[#([\w-]+)\]", item.answer.text))
        said = plain_text(item.prompt.text)
        found += [Contradiction(question, said, claims[slug]) for slug in in_order if slug in cited]
    return found


def evidence_page(bank: Bank, evidence: Mapping[str, Evidence], repository: str = "") -> str:
    """Each claim with its measured value, its cell, and the half-truths that it sets right."""
    checked = [q for q in bank.questions if q.stem in evidence]
    against: dict[tuple[str, str], list[str]] = {}
    for question in checked:
        for one in contradictions(question, evidence[question.stem]):
            against.setdefault((question.stem, one.claim.slug), []).append(one.said)
    claims = sum(len(evidence[q.stem].claims) for q in checked)

    def report(question: Question, claim: Claim) -> str:
        return html.escape(report_address(repository, question, claim), quote=True)

    return fill(
        "evidence.md",
        front=front_matter(
            "Evidence",
            f"Every claim of “{plain_text(bank.title)}” with its measured value, the cell that"
            " asserts it, and the half-truth that it sets right.",
            hide=["navigation", "footer"],
            searched=False,
        ),
        checked=checked,
        unchecked=[q for q in bank.questions if q.stem not in evidence],
        evidence=evidence,
        claims=claims,
        against=against,
        set_right=len(against),
        report=report,
        inline=inline_html,
        plain=plain_literal,
    )
