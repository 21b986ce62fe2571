"""For paper: one page with all answers, and one with the short answers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stages.embed import shift_headings
from stages.prose import inline_html, literal, plain_literal, plain_text
from stages.records import Bank, Evidence
from stages.render import Page, relocated
from stages.template import fill, front_matter

PRINT, CHEAT_SHEET = "print.md", "cheat-sheet.md"


def _paper(
    template: str, title: str, said: str, bank: Bank, pages: Sequence[Page], **values: object
) -> str:
    return fill(
        template,
        front=front_matter(
            title,
            f"{said} of “{plain_text(bank.title)}” on one page, made for printing.",
            hide=["toc", "navigation", "footer"],
            searched=False,
        ),
        title=literal(bank.title),
        subtitle=[literal(line) for line in bank.subtitle],
        questions=bank.questions,
        parts={page.stem: page.parts for page in pages},
        moved=relocated,
        plain=plain_literal,
        **values,
    )


def print_page(bank: Bank, pages: Sequence[Page], evidence: Mapping[str, Evidence]) -> str:
    """All answers, unfolded: everything of a page but the code of its experiment."""
    return _paper(
        "print.md",
        "All answers",
        "All answers, with their figures, claims and references,",
        bank,
        pages,
        evidence=evidence,
        inline=inline_html,
        deeper=shift_headings,
        # Its references are listed here too: each needs an id of its own.
        own=lambda entry, number: entry.replace('id="ref-', f'id="q{number}-', 1),
    )


def cheat_sheet(bank: Bank, pages: Sequence[Page]) -> str:
    """The short answers only."""
    said = "The short answers, what one says to each question in less than a minute,"
    return _paper("cheat-sheet.md", "Cheat sheet", said, bank, pages)
