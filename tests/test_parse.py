"""The source grammar: what is read, what is refused, and with which line and sentence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import parse, refusal, text_of
from stages.parse import (
    LARGEST_FILE,
    LONGEST_LINE,
    LONGEST_STRETCH,
    cut_title,
    decode,
    parse_bank,
    read_source,
    slugify,
)
from stages.records import Refused

FULL = """A bank of questions
A first line under the title

And a second

17. Why do deep plain networks train worse, and what do skip connections change?
Title: Residual networks
Topic: Architectures
Level: core
Tags: architectures, optimisation
Also asked: skip connections; degradation problem
See also: 18

The short answer.

## In depth

Why, with a formula $x$.

### A subheading

More.

## Often said

> They cure vanishing
> gradients.

What was measured.

> Deeper is better.

Not here.

## Follow-ups

### Why not concatenate?

It grows.

### And now?

Stop.

## References

- [he2016] He, Zhang, Ren, Sun (2016). Deep residual learning. arXiv:1512.03385
- [veit2016] Veit, Wilber, Belongie (2016). Do networks behave
  like ensembles? https://example.org/veit.

18. What is dropout?

Units are left out.
"""


# ── what is read ───────────────────────────────────────────────────────────────────────────────


def test_everything_of_a_question_is_read_with_its_line() -> None:
    bank = parse(FULL, stems=("17-bank",))
    assert (bank.title, bank.subtitle) == (
        "A bank of questions",
        ("A first line under the title", "And a second"),
    )
    first, second = bank.questions
    assert (first.number, first.line, first.stem) == (17, 6, "17-residual-networks")
    assert first.text.startswith("Why do deep plain networks")
    assert (first.title, first.topic, first.level) == ("Residual networks", "Architectures", "core")
    assert first.tags == ("architectures", "optimisation")
    assert first.also_asked == ("skip connections", "degradation problem")
    assert first.see_also == (18,)
    assert (first.short.text, first.short.line) == ("The short answer.", 14)
    assert first.depth
    assert first.depth.text == "Why, with a formula $x$.\n\n### A subheading\n\nMore."
    assert [(i.prompt.text, i.answer.text, i.prompt.line) for i in first.often_said] == [
        ("They cure vanishing gradients.", "What was measured.", 26),
        ("Deeper is better.", "Not here.", 31),
    ]
    assert [(i.prompt.text, i.answer.text, i.answer.line) for i in first.follow_ups] == [
        ("Why not concatenate?", "It grows.", 39),
        ("And now?", "Stop.", 43),
    ]
    assert [(r.key, r.authors, r.year, r.title, r.identifier) for r in first.references] == [
        ("he2016", "He, Zhang, Ren, Sun", "2016", "Deep residual learning", "arXiv:1512.03385"),
        ("veit2016", "Veit, Wilber, Belongie", "2016", "Do networks behave like ensembles?",
         "https://example.org/veit"),
    ]  # fmt: skip
    assert (second.title, second.level, second.depth) == ("What is dropout?", "", None)


def test_headers_and_sections_are_read_in_any_case() -> None:
    bank = parse(text_of("A.\n\n## IN DEPTH\n\nB.", headers="title: x\nLEVEL: Core\n"))
    assert bank.questions[0].title == "x"
    assert bank.questions[0].level == "core"
    assert bank.questions[0].depth


def test_bom_crlf_and_old_mac_line_ends_change_nothing() -> None:
    plain = parse(FULL, stems=("17-bank",))
    for line_end in ("\r\n", "\r"):
        data = b"\xef\xbb\xbf" + FULL.replace("\n", line_end).encode()
        assert parse(data, stems=("17-bank",)) == plain


def test_a_folder_is_read_in_the_order_of_question_numbers(tmp_path: Path) -> None:
    for name, content in (
        ("b.txt", "The bank\n\n1. First?\n\nOne.\n"),
        ("a.txt", "2. Second?\n\nTwo.\n\n3. Third?\n\nThree.\n"),
        ("10-tenth.txt", "4. Fourth?\n\nFour.\n"),
        (".hidden.txt", "no question"),
        ("notes.md", "no question"),
    ):
        (tmp_path / name).write_text(content, "utf-8")
    bank = parse_bank(read_source(tmp_path))
    assert bank.title == "The bank"
    assert [q.number for q in bank.questions] == [1, 2, 3, 4]
    assert [q.stem for q in bank.questions] == ["b", "02-second", "03-third", "10-tenth"]


def test_one_file_may_start_where_its_name_says_and_else_starts_at_one() -> None:
    assert parse("7. Why?\n\nSo.\n", stems=("07-why",)).questions[0].number == 7
    # A number in the name of a whole bank says nothing.
    assert parse("T\n\n1. Why?\n\nSo.\n", stems=("25-questions",)).questions[0].number == 1
    assert "the bank starts with 1" in str(refusal("7. Why?\n\nSo.\n", stems=("why",))[0])


BARE = """Interview questions

25 of them

1. What is it?

A first paragraph. It names 3 things:

1. one,
2. two,
3. three.

A last paragraph with 2.5 and $5.

2.\u00a0Why?

Steps:

  1. indented

  2. too

  3. and loose

3. When?

1) now
2) then

Menu

© 2026 Somebody. All rights reserved.
Back to top
"""


def test_bare_scraped_text_is_a_whole_bank() -> None:
    bank = parse(BARE)
    assert bank.title == "Interview questions"
    assert bank.subtitle == ("25 of them",)
    assert [(q.number, q.title, q.stem) for q in bank.questions] == [
        (1, "What is it?", "01-what-is-it"),
        (2, "Why?", "02-why"),
        (3, "When?", "03-when"),
    ]
    assert bank.questions[0].short.text.endswith("with 2.5 and $5.")
    assert bank.questions[1].short.text.endswith("3. and loose")
    assert bank.questions[2].short.text == "1) now\n2) then"
    assert bank.rights == "© 2026 Somebody. All rights reserved."
    assert [w.split(": ", 1)[0] for w in bank.warnings] == ["0.txt:30", "0.txt:33", "0.txt:32"]
    assert "dropped 'Menu'" in bank.warnings[0]
    assert "kept '© 2026" in bank.warnings[2]


@pytest.mark.parametrize(
    "note",
    [
        "© Somebody",
        "Copyright 2026 Somebody",
        "copyright (c) Somebody",
        "Copyright: © 2026",
        "(c) 2026 Somebody",
        "Somebody. All Rights Reserved.",
    ],
)
def test_a_copyright_line_never_becomes_part_of_an_answer(note: str) -> None:
    bank = parse(text_of(f"The answer.\n\nThumbnail\n\n{note}"))
    assert (bank.questions[0].short.text, bank.rights) == ("The answer.", note)


@pytest.mark.parametrize(
    "last",
    [
        "(c) a third thing",
        "Copyright law protects it.",
        "The words all rights reserved mean little today.",
        "```\n© 2026 in code\n```",
        "© 2026 is followed by\n\n" + "a whole paragraph of text that belongs to the answer. " * 2,
        "One. © 2026 in the middle",
    ],
)
def test_what_only_looks_like_furniture_stays(last: str) -> None:
    bank = parse(text_of(f"The answer.\n\n{last}"))
    assert bank.questions[0].short.text.endswith(last.strip())
    assert (bank.rights, bank.warnings) == ("", ())


def test_a_last_word_that_a_sentence_leads_into_stays() -> None:
    bank = parse(text_of("It is called\ndropout\n\n© 2026 Us"))
    assert bank.questions[0].short.text == "It is called\ndropout"
    bank = parse(text_of("Yes\n\n© 2026 Us"))
    assert bank.questions[0].short.text == "Yes"
    bank = parse(text_of("The answer is\n\n`code`\n\n© 2026 Us"))
    assert bank.questions[0].short.text.endswith("`code`")


def test_a_bank_without_title_lines_gets_a_name_and_a_warning() -> None:
    bank = parse("1. Why?\n\nSo.\n")
    assert bank.title == "Questions and answers"
    assert bank.warnings == ("0.txt: no title line; the site is called 'Questions and answers'",)


def test_invisible_characters_do_not_hide_a_question() -> None:
    bank = parse("T\n\n1. Why?\n\nSo.\n\n\ufeff2. What?\n\u200b\nThat.\n")
    assert [q.number for q in bank.questions] == [1, 2]


@pytest.mark.parametrize(
    "answer",
    [
        "1. one\n2. two\n3. three",
        "2. two\n3. three",
        "Text:\n1. one\n2. two",
        "1. one\n   goes on\n2. two\nand on\n3. three",
        "  2. an indented item",
        "2) not a question",
        "2.no space",
        "```\n\n2. in code\n\n```",
        "- 2. in a list",
        "In 2. place",
        "x\n\n    2. indented code",
    ],
)
def test_lists_and_other_numbers_are_no_questions(answer: str) -> None:
    bank = parse(text_of(answer))
    assert [q.number for q in bank.questions] == [1]
    assert bank.questions[0].short.text == answer


def test_a_question_after_a_list_is_one() -> None:
    start = "T\n\n1. Why?\n\nSo.\n\n2. What?\n\n1. a\n2. b\n\n"
    for question in ("3. What else?", "3. Explain it.\nLevel: basic"):
        bank = parse(f"{start}{question}\n\nThis.\n")
        assert bank.questions[1].short.text == "1. a\n2. b"
        assert bank.questions[2].text == question[3:].split("\n")[0]
    for list_end in ("1. a\n2. b", "1. a\n2. b\n   more"):
        (fault,) = refusal(
            f"T\n\n1. Why?\n\nSo.\n\n2. What?\n\n{list_end}\n\n3. Explain it.\n\nThis."
        )
        assert "'3.' could be question 3 or the next item of the list before it" in fault.what


def test_stems_come_from_the_file_or_from_number_and_title() -> None:
    one = "T\n\n1. Why is the sky blue?\n\nSo.\n"
    two = one + "\n2. What?\nTitle: Größe & Maß\n\nThat.\n"
    assert parse(one, stems=("17-why",)).questions[0].stem == "17-why"
    assert parse(one, stems=("My Text (v2)",)).questions[0].stem == "my-text-v2"
    assert [q.stem for q in parse(two, stems=("17-why",)).questions] == [
        "01-why-is-the-sky-blue",
        "02-groe-ma",
    ]
    assert parse("T\n\n1. 数学?\n\nSo.\n", stems=("数学",)).questions[0].stem == "01-question"


@pytest.mark.parametrize(
    "name",
    ["index", "README", "con", "NUL", "com1", "..", "../../etc/passwd", "a\\b", "", "%2e%2e"],
)
def test_no_file_name_leads_a_page_astray(name: str) -> None:
    stem = parse("T\n\n1. Why?\n\nSo.\n", stems=(name,)).questions[0].stem
    assert stem in ("01-why", "etc-passwd", "a-b", "2e-2e")


@pytest.mark.parametrize(
    "title", ["../../x", "index", "con", "a/b\\c", "---", "'; \"#: x", "𝕏" * 50]
)
def test_no_title_leads_a_page_astray(title: str) -> None:
    text = f"T\n\n1. Why?\nTitle: {title}\n\nSo.\n\n2. What?\n\nThat.\n"
    stem = parse(text).questions[0].stem
    assert stem.startswith("01-")
    assert slugify(stem, 100) == stem


def test_titles_are_cut_at_a_word_and_slugs_kept_short() -> None:
    question = "Why do very deep plain networks train worse than shallower ones do?"
    assert (
        cut_title(question) == "Why do very deep plain networks train worse than shallower ones …"
    )
    assert cut_title("Short?") == "Short?"
    assert cut_title("x" * 100) == "x" * 100
    assert len(slugify("word " * 100)) <= 60
    assert slugify("x" * 100) == "x" * 60
    assert slugify("…") == ""


def test_see_also_is_said_once() -> None:
    bank = parse("T\n\n1. Why?\nSee also: 2, 2\n\nSo.\n\n2. What?\n\nThat.\n")
    assert bank.questions[0].see_also == (2,)


# ── what is refused ────────────────────────────────────────────────────────────────────────────

REFUSALS: list[tuple[str, int, str, str]] = [
    # numbers
    (text_of("So.\n\n1. Again?\n\nSo."), 7, "'1.' stands alone like a question, but repeats", "number the question 2"),
    (text_of("So.\n\n3. Skipped?\n\nSo."), 7, "'3.' stands alone like a question, but does not follow 1", "number the question 2"),
    (text_of("So.\n\n2. Why?\n\nSo.\n\n1. Why?\n\nSo."), 11, "repeats an earlier number", "number the question 3"),
    (text_of("So.\n\n0. Why?\n\nSo."), 7, "'0.' stands alone like a question, but does not follow 1", "indent it"),
    (text_of("1. a\n\n2. b\n\n3. c"), 5, "'1.' stands alone like a question, but repeats", "join it to its list"),
    ("T\n\n2. Why?\n\nSo.", 3, "question 2 is too early: the bank starts with 1", "number it 1"),
    # both a question and something else
    (text_of("So.\n2. What?\n\nThat."), 6, "'2.' could be question 2 or part of the text", "put blank lines"),
    (text_of("So.\n\n2. What?\nThat."), 7, "'2.' could be question 2 or part of the text", "put blank lines"),
    ("T\n1. Why?\n\nSo.", 2, "'1.' could be question 1 or part of the text", "put blank lines"),
    # a question without an answer
    (text_of(""), 3, "question 1 has no answer", "write one"),
    ("T\n\n1. Why?\n\n2. What?\n\nThat.", 3, "question 1 has no answer", "write one"),
    (text_of("## In depth\n\nB."), 3, "question 1 has no answer", "write one"),
    (text_of("© 2026 Us"), 3, "question 1 has no answer", "write one"),
    # headers
    (text_of("A.", headers="Titel: x\n"), 4, "unknown header 'Titel'", "did you mean 'Title'?"),
    (text_of("A.", headers="Zzz: x\n"), 4, "unknown header 'Zzz'", "known: Title, Topic, Level, Tags, Also asked, See also"),
    (text_of("A.", headers="Title: x\nTitle: y\n"), 5, "header 'Title' stands twice", "keep one"),
    (text_of("A.", headers="Topic:\n"), 4, "header 'Topic' is empty", "fill it in"),
    (text_of("A.", headers="Level: easy\n"), 4, "unknown level 'easy'", "known: basic, core, advanced"),
    (text_of("A.", headers="Level: basics\n"), 4, "unknown level 'basics'", "did you mean 'basic'?"),
    (text_of("A.", headers="Also asked: " + "; ".join("abcdefghi") + "\n"), 4, "too much under 'Also asked'", "at most 8 phrases"),
    (text_of("A.", headers="Also asked: a b c d e f g h i\n"), 4, "too much under 'Also asked'", "of at most 8 words"),
    (text_of("A.", headers="See also: 2\n"), 4, "See also 2 points at no question", "name another"),
    (text_of("A.", headers="See also: 1\n"), 4, "See also 1 points at itself", "name another"),
    (text_of("A.", headers="See also: two\n"), 4, "'two' is no question number", "write numbers"),
    (text_of("A.", headers="See also: ²\n"), 4, "'²' is no question number", "write numbers"),
    # sections
    (text_of("A.\n\n## In dept\n\nB."), 7, "unknown section 'In dept'", "did you mean 'In depth'?"),
    (text_of("A.\n\n## Zzz\n\nB."), 7, "unknown section 'Zzz'", "known: In depth, Often said, Follow-ups, References"),
    (text_of("A.\n\n##in depth\n\nB."), 7, "'##in depth' without a space", "write a space"),
    (text_of("A.\n\n## In depth\n\nB.\n\n## In depth\n\nC."), 11, "section 'In depth' stands twice", "join the two"),
    (text_of("A.\n\n## In depth\n\n## Often said\n> B.\n\nC."), 7, "section 'In depth' is empty", "fill it in"),
    (text_of("A.\n\n## Often said\n> B.\n\nC.\n\n## In depth\n\nD."), 12, "section 'In depth' is out of order", "order: In depth, Often said"),
    (text_of("# A heading\n\nB."), 5, "a heading of the first level", "write '## '"),
    (text_of("A.\n\n## Often said\n\nB.\n\n> C.\n\nD."), 9, "text before the first item of 'Often said': 'B.'", "start it with '> what is said'"),
    (text_of("A.\n\n## Follow-ups\n\nB."), 9, "text before the first item of 'Follow-ups': 'B.'", "start it with '### A question?'"),
    (text_of("A.\n\n## Often said\n> B."), 8, "an item of 'Often said' without answer", "fill it in"),
    (text_of("A.\n\n## Follow-ups\n### B?\n### C?\n\nD."), 8, "an item of 'Follow-ups' without answer", "fill it in"),
    (text_of("A.\n\n## Often said\n>\n\nC."), 8, "an item of 'Often said' without words", "fill it in"),
    (text_of("A.\n\n## References\n\nHe et al. 2016"), 9, "not in the form of a reference", "write '- [key] Authors (year). Title."),
    (text_of("A.\n\n## References\n- [a] B (2016). C. ftp://x.org"), 8, "not in the form of a reference", "write '- [key]"),
    (text_of("A.\n\n## References\n- [a] B (2016). " + "C" * 2000 + ". arXiv:1"), 8, "not in the form of a reference", "write '- [key]"),
    (text_of("A.\n\n## References\n- [a] B (2016). C. arXiv:1\n- [a] D (2017). E. arXiv:2"), 9, "reference key 'a' stands twice", "rename one"),
    # the file itself
    ("", 0, "the file is empty", "write a question"),
    (" \n\t\n", 0, "the file is empty", "write a question"),
    ("\ufeff", 0, "the file is empty", "write a question"),
    ("Only a title\n", 0, "no question in this file", "write '1. The question?'"),
    (text_of("a\0b"), 5, "NUL in the text", "delete it"),
    (text_of("a\x07b"), 5, "control character U+0007", "delete it"),
    (text_of("a\x92b"), 5, "control character U+0092", "delete it"),
    (text_of("a\u202eb"), 5, "control character U+202E", "delete it"),
    (text_of("a" * (LONGEST_LINE + 1)), 5, f"line of {LONGEST_LINE + 1} characters", "break it into paragraphs"),
    (text_of("word word\n" * (LONGEST_STRETCH // 10 + 1)), 5, "characters in one piece", "make it shorter"),
    (text_of("A.\n\n```\ncode"), 7, "this code block never ends", "close it"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "what", "todo"), REFUSALS)
def test_refusals_name_line_fault_and_remedy(text: str, line: int, what: str, todo: str) -> None:
    faults = refusal(text)
    assert any(
        f.path == "0.txt" and f.line == line and what in f.what and todo in f.todo for f in faults
    ), faults


@pytest.mark.parametrize(
    ("data", "line", "what"),
    [
        (b"T\n\n1. Why?\n\ncaf\xe9\n", 5, "byte 0xe9 at offset 15 is not UTF-8"),
        ("T\n\n1. Why?\n\nSo.\n".encode("utf-16"), 1, "byte 0xff at offset 0 is not UTF-8"),
        ("é\n".encode() + b"\x80", 2, "byte 0x80 at offset 3 is not UTF-8"),
        (b"a\xed\xa0\x80", 1, "byte 0xed at offset 1 is not UTF-8"),
        (b"\xef\xbb\xbfab\xff", 1, "byte 0xff at offset 5 is not UTF-8"),
    ],
)
def test_bytes_that_are_not_utf8_are_refused_with_their_offset(
    data: bytes, line: int, what: str
) -> None:
    (fault,) = refusal(data)
    assert (fault.line, fault.what) == (line, what)


def test_faults_between_files_are_found() -> None:
    faults = refusal("T\n\n1. Why?\n\nSo.\n", "1. Why?\n\nSo.\n", stems=("a", "b"))
    assert [(f.path, f.line) for f in faults] == [("b.txt", 1)]
    assert "question 1 is repeated or out of order: expected 2" in faults[0].what
    faults = refusal("T\n\n1. Why?\n\nSo.\n", "3. Why?\n\nSo.\n", stems=("a", "b"))
    assert "question 3 is too early: expected 2; number it 2, or add what is missing" in str(
        faults[0]
    )
    faults = refusal("T\n\n1. Why?\n\nSo.\n", "U\n\n2. Why?\n\nSo.\n", stems=("a", "b"))
    assert [(f.path, f.line) for f in faults] == [("b.txt", 1)]
    assert "text before the first question: 'U'" in faults[0].what
    faults = refusal("T\n\n1. Why?\n\nSo.\n", "2. Why?\n\nSo.\n", stems=("a b", "a-b"))
    assert "the page's name 'a-b' is taken by question 1" in faults[0].what


def test_several_faults_are_reported_in_one_run() -> None:
    first = text_of("", headers="Titel: x\nLevel: easy\n") + "\n2. What?\nSee also: 9\n\n## Nope\n"
    faults = refusal(first, "no question")
    assert [(f.path, f.line) for f in faults] == [
        ("0.txt", 3),
        ("0.txt", 4),
        ("0.txt", 5),
        ("0.txt", 9),
        ("0.txt", 10),
        ("0.txt", 12),
        ("1.txt", 0),
    ]


# ── reading files ──────────────────────────────────────────────────────────────────────────────


def unreadable(source: Path) -> str:
    with pytest.raises(Refused) as refused:
        read_source(source)
    return str(refused.value).replace(f"{source.as_posix()}", "SOURCE")


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "SOURCE: cannot be read (No such file or directory)" in unreadable(tmp_path / "none")
    assert "SOURCE: no .txt file in this folder" in unreadable(tmp_path)
    assert "SOURCE: cannot be read (it is no file)" in unreadable(Path(os.devnull))
    (tmp_path / "a.txt").mkdir()
    (tmp_path / "b.txt").write_bytes(b"\xff")
    (tmp_path / "c.txt").write_bytes(b"")
    found = unreadable(tmp_path).splitlines()
    assert [line.split(":")[0] for line in found] == [f"SOURCE/{n}.txt" for n in "abc"]
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    assert "it is larger than 4 MB" in unreadable(tmp_path / "large.txt")


def test_a_file_name_that_is_no_text_is_shown_safely(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a\nb\xff\x1b[31m.txt"))
    path.write_text("T\n\n1. Why?\n\nSo.\n", "utf-8")
    (file,) = read_source(path)
    assert file.path.endswith("/a?b??[31m.txt")
    assert parse_bank([file]).questions[0].stem == "a-b-31m"


# ── properties ─────────────────────────────────────────────────────────────────────────────────

LINES = st.sampled_from([
    "", "", "", "T", "1. Why?", "2. What?", "3. When?", "1. a", "2. b", "  2. c", "Title: x", "Level: core",
    "Level: zzz", "See also: 1, 2", "Also asked: a; b", "Nope: x", "## In depth", "## Often said",
    "## Follow-ups", "## References", "## Zzz", "### Why?", "> said", "- [a] B (2016). C. arXiv:1",
    "An answer.", "word", "© 2026 Us", "```", "~~~", "    code", "# x", "$x$", "\u00a0", "\u200b",
])  # fmt: skip


@given(st.lists(LINES, max_size=25), st.booleans())
def test_no_text_gives_a_traceback_and_line_ends_do_not_matter(lines: list[str], bom: bool) -> None:
    def outcome(data: bytes) -> object:
        try:
            return parse_bank([decode("0.txt", "0", data)])
        except Refused as refused:
            return refused.faults

    plain = "\n".join(lines).encode()
    other = b"\xef\xbb\xbf" * bom + "\r\n".join(lines).encode()
    assert outcome(plain) == outcome(other)


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_bytes_give_a_traceback(data: bytes) -> None:
    try:
        parse_bank([decode("0.txt", "0", b"T\n\n1. Why?\n\n" + data)])
    except Refused as refused:
        assert all(f.path and f.what and f.todo for f in refused.faults)
