"""Ways through the questions, worked out from what they say of each other. Pure.

A question builds on those of its See also (in either direction) that come before it: of a lower
level, or of the same level with a lower number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.records import LEVELS, Bank, Question

DAYS = 7
EVENING = 10  # questions at most


@dataclass(frozen=True)
class Step:
    """A stretch of a way: its name, and its questions in the order to read them."""

    name: str
    questions: tuple[Question, ...]


def _rank(question: Question) -> tuple[int, int]:
    level = LEVELS.index(question.level) if question.level in LEVELS else len(LEVELS)
    return level, question.number


def related(bank: Bank) -> dict[int, set[int]]:
    """The numbers that each question names under See also, and those that name it."""
    numbers = {q.number for q in bank.questions}
    found: dict[int, set[int]] = {number: set() for number in numbers}
    for question in bank.questions:
        for other in set(question.see_also) & numbers - {question.number}:
            found[question.number].add(other)
            found[other].add(question.number)
    return found


def prerequisites(bank: Bank) -> dict[int, list[Question]]:
    """The questions that each one builds on directly, by its number."""
    by_number, links = {q.number: q for q in bank.questions}, related(bank)
    return {
        q.number: sorted(
            (by_number[n] for n in links[q.number] if _rank(by_number[n]) < _rank(q)), key=_rank
        )
        for q in bank.questions
    }


def by_prerequisite(bank: Bank) -> list[Step]:
    """Stages: a question stands right after the last stage that it builds on.

    Empty where no question names another.
    """
    before = prerequisites(bank)
    if not any(before.values()):
        return []
    depth: dict[int, int] = {}
    for question in sorted(bank.questions, key=_rank):  # what it builds on comes first
        deepest = max((depth[q.number] for q in before[question.number]), default=0)
        depth[question.number] = deepest + 1
    return [
        Step(f"Stage {stage}", tuple(q for q in bank.questions if depth[q.number] == stage))
        for stage in range(1, max(depth.values()) + 1)
    ]


def an_evening(bank: Bank) -> list[Question]:
    """From each topic the question that is named with most others, in the order to read them; of
    many topics, those of the ten such questions that are named with most.

    Empty where there are fewer than three topics, or no more questions than topics.
    """
    links = related(bank)
    best: dict[str, Question] = {}
    for question in bank.questions:
        other = best.get(question.topic)
        if other is None or len(links[question.number]) > len(links[other.number]):
            best[question.topic] = question
    if len(best) < 3 or len(best) == len(bank.questions):
        return []
    most = sorted(best.values(), key=lambda q: (-len(links[q.number]), q.number))
    return sorted(most[:EVENING], key=_rank)


def a_week(bank: Bank, minutes: Mapping[int, int]) -> list[Step]:
    """All questions over seven days of about the same reading time, each after what it builds on.

    Args:
        minutes: to read each question, by its number.

    Empty where there are fewer than two questions a day.
    """
    ordered: Sequence[Question] = [q for step in by_prerequisite(bank) for q in step.questions]
    ordered = ordered or bank.questions
    if len(ordered) < 2 * DAYS:
        return []
    total, read = sum(minutes[q.number] for q in ordered), 0
    days: list[list[Question]] = [[] for _ in range(DAYS)]
    for question in ordered:
        middle = read + minutes[question.number] / 2
        days[int(DAYS * middle / total)].append(question)
        read += minutes[question.number]
    return [Step(f"Day {n}", tuple(day)) for n, day in enumerate(days, 1) if day]
