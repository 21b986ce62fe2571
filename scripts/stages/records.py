"""The records that the stages hand to each other. Nothing here reads or writes a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

LEVELS = ("basic", "core", "advanced")
NOT_CHECKED = "Not yet checked by an experiment"  # what a page without a notebook says
SECTIONS = ("In depth", "Often said", "Follow-ups", "References")


@dataclass(frozen=True, order=True)
class Fault:
    """One thing that is wrong with the input, and what to do about it.

    Attributes:
        path: the file, as the user named it.
        line: 1-based line, or 0 where no single line is to blame.
        what: what is wrong.
        todo: what to do.
    """

    path: str
    line: int
    what: str
    todo: str

    def __str__(self) -> str:
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.what}; {self.todo}"


class Refused(Exception):
    """The input was refused. Carries every fault that was found, not only the first."""

    def __init__(self, faults: list[Fault] | tuple[Fault, ...]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(map(str, self.faults)))


# ── the source text ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Block:
    """A stretch of Markdown and the line of the source on which it starts (1-based)."""

    text: str
    line: int


@dataclass(frozen=True)
class Item:
    """One half-truth or one follow-up: what is said or asked, and what is answered."""

    prompt: Block
    answer: Block


@dataclass(frozen=True)
class Reference:
    """One entry of the references; `identifier` is `arXiv:…`, `doi:…` or an https address."""

    key: str
    authors: str
    year: str
    title: str
    identifier: str
    line: int


@dataclass(frozen=True)
class Question:
    """One question of the bank with all that its source text says of it."""

    number: int
    text: str
    path: str
    line: int
    stem: str
    title: str
    topic: str
    level: str
    tags: tuple[str, ...]
    also_asked: tuple[str, ...]
    see_also: tuple[int, ...]
    short: Block
    depth: Block | None = None
    often_said: tuple[Item, ...] = ()
    follow_ups: tuple[Item, ...] = ()
    references: tuple[Reference, ...] = ()
    header_lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Bank:
    """The whole source text."""

    title: str
    subtitle: tuple[str, ...]
    rights: str
    questions: tuple[Question, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Term:
    """One entry of the glossary; `stands_for` is what an abbreviation is short for, or ''."""

    name: str
    slug: str
    stands_for: str
    see_also: tuple[int, ...]
    meaning: Block


@dataclass(frozen=True)
class Glossary:
    """What the words and abbreviations of a bank mean; without terms where it has no glossary."""

    title: str = ""
    intro: Block = Block("", 1)
    terms: tuple[Term, ...] = ()
    path: str = ""


# ── the notebooks ──────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Claim:
    """A sentence that a notebook cell asserts, with the measured values it printed."""

    slug: str
    text: str
    measured: str


@dataclass(frozen=True)
class Stamp:
    """When a notebook ran, for how long (seconds of wall time) and with which versions."""

    executed: str
    seconds: float
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Cell:
    """One notebook cell; `outputs` are nbformat output dictionaries, text joined to strings."""

    id: str
    kind: str  # "markdown" or "code"
    source: str
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[Mapping[str, Any], ...] = ()
    claim: Claim | None = None


@dataclass(frozen=True)
class Evidence:
    """An executed notebook, read and checked for form."""

    stem: str
    path: str
    cells: tuple[Cell, ...]
    results: Mapping[str, int | float | str]
    stamp: Stamp

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claims in the order of their cells."""
        return tuple(cell.claim for cell in self.cells if cell.claim)
