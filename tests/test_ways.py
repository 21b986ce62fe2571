"""Ways through the questions: what comes before what, an evening, a week."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from samples import parse, published, words
from stages.front import ways_page
from stages.records import LEVELS, Bank
from stages.ways import a_week, an_evening, by_prerequisite, prerequisites, related

Sketch = tuple[str, str, tuple[int, ...]]  # level, topic, see also


def bank_of(*sketches: Sketch) -> Bank:
    """A bank of questions of which only these three things matter."""
    text = "T\n"
    for number, (level, topic, see_also) in enumerate(sketches, 1):
        text += f"\n{number}. Why {number}?\nLevel: {level}\nTopic: {topic}\n"
        others = [n for n in see_also if n != number]
        text += f"See also: {', '.join(map(str, others))}\n" * bool(others) + "\nSo.\n"
    return parse(text)


def numbers(questions: object) -> list[int]:
    return [q.number for q in questions]  # type: ignore[attr-defined]


SMALL = bank_of(
    ("core", "A", (2,)), ("basic", "A", (3,)), ("advanced", "B", (1,)), ("core", "C", (1,))
)


def test_a_question_builds_on_what_is_named_with_it_and_comes_before() -> None:
    assert related(SMALL) == {1: {2, 3, 4}, 2: {1, 3}, 3: {1, 2}, 4: {1}}
    before = {number: numbers(found) for number, found in prerequisites(SMALL).items()}
    # 2 is basic; 1 and 4 are core, 1 before 4; 3 is advanced.
    assert before == {1: [2], 2: [], 3: [2, 1], 4: [1]}
    assert [numbers(step.questions) for step in by_prerequisite(SMALL)] == [[2], [1], [3, 4]]


def test_without_see_also_there_are_no_stages() -> None:
    assert by_prerequisite(bank_of(("core", "A", ()), ("core", "B", ()))) == []


def test_an_evening_has_the_question_of_each_topic_that_most_are_named_with() -> None:
    assert numbers(an_evening(SMALL)) == [1, 4, 3]
    assert an_evening(bank_of(("core", "A", ()), ("core", "B", ()))) == []


sketches = st.lists(
    st.tuples(
        st.sampled_from(LEVELS),
        st.sampled_from("ABC"),
        st.lists(st.integers(1, 9), max_size=4, unique=True).map(tuple),
    ),
    min_size=9,
    max_size=20,
)


@given(sketches, st.lists(st.integers(1, 40), min_size=20, max_size=20))
def test_every_way_is_in_an_order_in_which_one_can_read(
    drawn: list[Sketch], times: list[int]
) -> None:
    bank = bank_of(*drawn)
    everything = sorted(q.number for q in bank.questions)
    minutes = dict(zip(everything, times, strict=False))
    before = {number: set(numbers(found)) for number, found in prerequisites(bank).items()}
    for way in (by_prerequisite(bank), a_week(bank, minutes)):
        read = [number for step in way for number in numbers(step.questions)]
        assert not read or sorted(read) == everything
        for i, number in enumerate(read):
            assert before[number] <= set(read[:i])
    stages = by_prerequisite(bank)
    for step in stages:
        inside = set(numbers(step.questions))
        assert not any(before[number] & inside for number in inside)


@given(st.lists(st.integers(1, 40), min_size=14, max_size=40))
def test_the_days_of_a_week_are_about_equally_long(times: list[int]) -> None:
    bank = bank_of(*[("core", "A", ())] * len(times))
    minutes = dict(enumerate(times, 1))
    days = a_week(bank, minutes)
    lengths = [sum(minutes[n] for n in numbers(day.questions)) for day in days]
    # No day is off by more than the questions at its two ends.
    assert max(lengths) <= sum(times) / 7 + max(times)
    if max(times) <= sum(times) / 14:
        assert len(days) == 7
        assert min(lengths) >= sum(times) / 7 - max(times)


def test_the_page_of_the_ways_says_what_builds_on_what() -> None:
    text = words(published(ways_page(SMALL, dict.fromkeys(range(1, 5), 3))))
    assert "An evening" in text and "9 minutes" in text
    assert "Why 3? Builds on 2, 1." in text
    assert "A week" not in text
    assert ways_page(bank_of(("core", "A", ())), {1: 1}) == ""
