"""Source text → records. Reads the grammar; knows nothing of pages, notebooks or MkDocs.

The grammar is described in CONTRIBUTING.md. Whatever can be read in two ways is refused with its
line, never guessed.
"""

from __future__ import annotations

import difflib
import errno
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from stages.prose import CONTROL, open_fences
from stages.records import (
    LEVELS,
    SECTIONS,
    Bank,
    Block,
    Fault,
    Item,
    Question,
    Reference,
    Refused,
)

HEADERS = ("Title", "Topic", "Level", "Tags", "Also asked", "See also")
LONGEST_LINE = 20_000  # characters; what is longer was not typed by a person
LONGEST_STRETCH = 40_000  # characters of one answer or section: Python-Markdown is not linear
LARGEST_FILE = 4_000_000  # bytes
LONGEST_REFERENCE = 1000  # characters
REACH = 100  # lines around a numbered line that are looked at to tell a list from a question
TITLE_CUT = 60  # characters of the question that serve where no Title is given
ALSO_ASKED_PHRASES, ALSO_ASKED_WORDS = 8, 8

_NUMBERED = re.compile(r"([0-9]{1,6})\.\s+(\S.*)")
_ITEM = re.compile(r"\s*([0-9]{1,6})\.\s")
_HEADER = re.compile(r"([A-Za-z][A-Za-z ]{0,24}?)[ \t]*:(?:[ \t]+(.*))?")
_RIGHTS = re.compile(
    r"©|(?:copyright\b[\s:]*(?:©|\(c\))?|\(c\))\s*[0-9]{4}\b|copyright\b[\s:]*(?:©|\(c\))"
    r"|.*\ball rights reserved\b\W*$",
    re.I,
)
_INVISIBLE = re.compile("[\u200b\ufeff]")  # left behind by browsers and joined files
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
_UNSPACED = re.compile(rf"#{{2,3}}(?:{'|'.join(SECTIONS)})\s*", re.I)
_REFERENCE = re.compile(
    r"- \[(?P<key>[A-Za-z0-9][\w-]*)\] (?P<authors>\S.*?) \((?P<year>\d{4})\)\. "
    r"(?P<title>\S.*?[.?!]) (?P<identifier>(?:arXiv:|doi:10\.|https://)\S*[^\s.])\.?"
)
_STEM = re.compile(r"[a-z0-9][a-z0-9-]*")
# The first two are home pages to MkDocs, the others devices to Windows.
_RESERVED_STEM = re.compile(r"index|readme|con|prn|aux|nul|(?:com|lpt)[0-9]")


@dataclass(frozen=True)
class SourceFile:
    """One file of source text: the path as shown to the user, its name's stem, and its lines."""

    path: str
    stem: str
    lines: tuple[str, ...]


# ── reading ────────────────────────────────────────────────────────────────────────────────────


def decode(path: str, stem: str, data: bytes) -> SourceFile:
    """Bytes of a source file → its lines; a BOM and CRLF are accepted.

    Raises:
        Refused: not UTF-8 (with the offset), empty, control characters, or a gigantic line.
    """
    try:
        text = data.decode("utf-8")  # a BOM goes with what is invisible
    except UnicodeDecodeError as error:
        where = data[: error.start].count(b"\n") + 1
        raise Refused(
            [
                Fault(
                    path,
                    where,
                    f"byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8",
                    "save the file in UTF-8",
                )
            ]
        ) from None
    text = _INVISIBLE.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    faults = []
    for number, line in enumerate(lines, 1):
        if found := CONTROL.search(line):
            name = "NUL" if found[0] == "\0" else f"control character U+{ord(found[0]):04X}"
            faults.append(Fault(path, number, f"{name} in the text", "delete it"))
        if len(line) > LONGEST_LINE:
            what = f"line of {len(line)} characters (at most {LONGEST_LINE})"
            faults.append(Fault(path, number, what, "break it into paragraphs"))
    if not text.strip():
        faults.append(Fault(path, 0, "the file is empty", "write a question or delete the file"))
    if faults:
        raise Refused(faults)
    return SourceFile(path, stem, tuple(line.rstrip() for line in lines))


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file")
    if path.stat().st_size > LARGEST_FILE:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST_FILE // 1_000_000} MB")
    return path.read_bytes()


def read_source(source: Path, shown: str | None = None) -> list[SourceFile]:
    """The source text at `source`: one file, or the `.txt` files of a folder.

    Raises:
        Refused: nothing there, or files that cannot be read; all faults together.
    """
    shown = shown or source.as_posix()
    if source.is_dir():
        paths = sorted(p for p in source.glob("*.txt") if not p.name.startswith("."))
        if not paths:
            todo = "name a text file or a folder of .txt files"
            raise Refused([Fault(shown, 0, "no .txt file in this folder", todo)])
        named = [(path, f"{shown.rstrip('/')}/{path.name}") for path in paths]
    else:
        named = [(source, shown)]
    files, faults = [], []
    for path, name in named:
        printable = "".join(c if c.isprintable() else "?" for c in name)
        try:
            files.append(decode(printable, path.stem, _read(path)))
        except OSError as error:
            todo = "name a text file or a folder of .txt files"
            faults.append(Fault(printable, 0, f"cannot be read ({error.strerror})", todo))
        except Refused as refused:
            faults += refused.faults
    if faults:
        raise Refused(faults)
    return files


# ── lines that are questions ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Found:
    """A question line: index into the file's lines, number, text."""

    index: int
    number: int
    text: str


def _block_around(lines: tuple[str, ...], index: int) -> tuple[list[str], list[str]]:
    """The unbroken (non-blank) lines just above and just below line `index`."""
    above = takewhile(bool, reversed(lines[max(0, index - REACH) : index]))
    below = takewhile(bool, lines[index + 1 : index + 1 + REACH])
    return list(above), list(below)


def _holds_item(lines: Iterable[str], number: int) -> bool:
    return any((m := _ITEM.match(line)) and int(m[1]) == number for line in lines)


def _continues_list(lines: tuple[str, ...], index: int, number: int) -> bool:
    """Whether the paragraph before line `index` is list item `number - 1` (or belongs to it)."""
    i = index - 1
    while i >= 0 and (not lines[i] or lines[i][0] in " \t"):
        i -= 1
    return i >= 0 and _holds_item([lines[i]], number - 1)


def _find_questions(file: SourceFile) -> tuple[list[_Found], list[Fault]]:
    """The question lines of a file, and what is ambiguous or out of order about them."""
    found: list[_Found] = []
    faults: list[Fault] = []
    lines, path = file.lines, file.path
    fenced, open_line = open_fences(lines)
    if open_line is not None:
        faults.append(Fault(path, open_line + 1, "this code block never ends", "close it"))
    for index, line in enumerate(lines):
        match = _NUMBERED.fullmatch(line)
        if not match or index in fenced:
            continue
        number = int(match[1])
        expected = found[-1].number + 1 if found else number
        above, below = _block_around(lines, index)
        headed = bool(below) and all(_HEADER.fullmatch(b) for b in below)
        stands_alone = not above and (not below or headed)
        if not stands_alone:
            in_list = _holds_item(above, number - 1) or _holds_item(below, number + 1)
            if number == expected and not in_list:
                what = f"'{number}.' could be question {number} or part of the text around it"
                todo = "put blank lines around a question; indent a line that is none"
                faults.append(Fault(path, index + 1, what, todo))
                found.append(_Found(index, number, match[2]))
            continue
        if number != expected:
            again = found[0].number <= number < expected
            kind = "repeats an earlier number" if again else f"does not follow {expected - 1}"
            what = f"'{number}.' stands alone like a question, but {kind}"
            todo = (
                f"number the question {expected}; "
                "if it is a list item, join it to its list without blank lines or indent it"
            )
            faults.append(Fault(path, index + 1, what, todo))
            if number < expected:
                continue  # most likely a list item: the count goes on from the last question
        elif (
            found
            and not headed
            and not match[2].endswith("?")
            and _continues_list(lines, index, number)
        ):
            what = f"'{number}.' could be question {number} or the next item of the list before it"
            todo = "join list items without blank lines, or give the question a header line"
            faults.append(Fault(path, index + 1, what, todo))
        found.append(_Found(index, number, match[2]))
    return found, faults


# ── the parts of one question ──────────────────────────────────────────────────────────────────


def nearest(word: str, known: Iterable[str]) -> str:
    """What to do about an unknown word: the known one that it may stand for, else all of them."""
    by_lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.5)
    return (
        f"did you mean '{by_lower[close[0]]}'?"
        if close
        else f"known: {', '.join(by_lower.values())}"
    )


def _split_list(value: str, separator: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(separator) if part.strip())


def slugify(text: str, longest: int = 60) -> str:
    """Lower-case ASCII words joined by hyphens, cut at a word; empty if no letter survives."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = "-".join(re.findall(r"[a-z0-9]+", ascii_text.lower()))
    if len(slug) > longest:
        slug = slug[: longest + 1].rpartition("-")[0] or slug[:longest]
    return slug


def cut_title(question: str) -> str:
    """The question cut at a word after 60 characters, for questions without a Title."""
    if len(question) <= TITLE_CUT:
        return question
    end = question.find(" ", TITLE_CUT)
    return question if end < 0 else question[:end].rstrip(" ,;:") + " …"


class _Parts:
    """Collects the faults of one file while its questions are taken apart."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def fault(self, index: int, what: str, todo: str) -> None:
        self.faults.append(Fault(self.file.path, index + 1, what, todo))

    def block(self, start: int, end: int) -> Block:
        """Lines `start` to `end` (exclusive) without the blank lines around them."""
        lines = self.file.lines
        while start < end and not lines[start]:
            start += 1
        while end > start and not lines[end - 1]:
            end -= 1
        text = "\n".join(lines[start:end])
        if len(text) > LONGEST_STRETCH:
            what = f"{len(text)} characters in one piece (at most {LONGEST_STRETCH})"
            self.fault(start, what, "make it shorter, or two questions")
        return Block(text, start + 1)

    def headers(self, question: int, end: int) -> tuple[dict[str, str], dict[str, int], int]:
        """The header lines under line `question`: values, lines, and where the answer starts."""
        values: dict[str, str] = {}
        places: dict[str, int] = {}
        i = question + 1
        while i < end and (line := self.file.lines[i]):
            match = _HEADER.fullmatch(line)
            name = match[1] if match else ""
            known = next((h for h in HEADERS if h.lower() == name.lower()), None)
            if known is None:
                self.fault(i, f"unknown header '{name or line[:40]}'", nearest(name, HEADERS))
            elif known in values:
                self.fault(i, f"header '{known}' stands twice", "keep one")
            elif not (value := ((match and match[2]) or "").strip()):
                self.fault(i, f"header '{known}' is empty", "fill it in or delete the line")
            else:
                values[known], places[known] = value, i + 1
            i += 1
        return values, places, i

    def sections(self, start: int, end: int) -> tuple[Block, dict[str, tuple[int, int]]]:
        """The short answer, and where each `##` section's lines lie."""
        fenced, _ = open_fences(self.file.lines[start:end])
        heads: list[tuple[int, str]] = []
        for i in range(start, end):
            line = self.file.lines[i]
            if i - start in fenced:
                continue
            if line.startswith("## "):
                heads.append((i, line[3:].strip()))
            elif line.startswith("# "):
                what = "a heading of the first level inside an answer"
                self.fault(i, what, "write '## ' or '\\#'")
            elif _UNSPACED.fullmatch(line):
                self.fault(i, f"'{line}' without a space", "write a space after the '#'")
        spans: dict[str, tuple[int, int]] = {}
        last = -1
        for n, (i, name) in enumerate(heads):
            stop = heads[n + 1][0] if n + 1 < len(heads) else end
            known = next((s for s in SECTIONS if s.lower() == name.lower()), None)
            if known is None:
                self.fault(i, f"unknown section '{name}'", nearest(name, SECTIONS))
            elif known in spans:
                self.fault(i, f"section '{known}' stands twice", "join the two")
            elif not self.block(i + 1, stop).text:
                self.fault(i, f"section '{known}' is empty", "fill it in or delete its heading")
            else:
                if SECTIONS.index(known) < last:
                    self.fault(
                        i, f"section '{known}' is out of order", f"order: {', '.join(SECTIONS)}"
                    )
                last = SECTIONS.index(known)
                spans[known] = (i + 1, stop)
        return self.block(start, heads[0][0] if heads else end), spans

    def items(self, span: tuple[int, int], mark: str, name: str) -> Iterator[Item]:
        """The items of a section: each starts with a line that begins with `mark`."""
        lines, (start, end) = self.file.lines, span
        fenced, _ = open_fences(lines[start:end])
        heads = [
            i
            for i in range(start, end)
            if i - start not in fenced
            and lines[i].startswith(mark)
            and not (mark == ">" and i > start and lines[i - 1].startswith(mark))
        ]
        first = heads[0] if heads else end
        if stray := self.block(start, first).text:
            shown = "'> what is said'" if mark == ">" else "'### A question?'"
            where = self.block(start, first).line - 1
            self.fault(
                where,
                f"text before the first item of '{name}': {stray[:40]!r}",
                f"start it with {shown}",
            )
        for n, i in enumerate(heads):
            stop = heads[n + 1] if n + 1 < len(heads) else end
            j = i + 1
            while mark == ">" and j < stop and lines[j].startswith(mark):
                j += 1
            words = " ".join(line.removeprefix(mark).strip() for line in lines[i:j])
            prompt, answer = Block(words, i + 1), self.block(j, stop)
            if not prompt.text or not answer.text:
                self.fault(
                    i, f"an item of '{name}' without {'answer' if words else 'words'}", "fill it in"
                )
            yield Item(prompt, answer)

    def references(self, span: tuple[int, int]) -> Iterator[Reference]:
        """The entries of the references section; a wrapped line is indented."""
        start, end = span
        entries: list[tuple[int, str]] = []
        for i in range(start, end):
            line = self.file.lines[i]
            if line.startswith((" ", "\t")) and entries:
                entries[-1] = (entries[-1][0], f"{entries[-1][1]} {line.strip()}")
            elif line:
                entries.append((i, line))
        keys: set[str] = set()
        for i, line in entries:
            match = _REFERENCE.fullmatch(line) if len(line) <= LONGEST_REFERENCE else None
            if not match:
                form = "write '- [key] Authors (year). Title. arXiv:… or doi:… or https://…'"
                self.fault(i, "not in the form of a reference", form)
            elif match["key"] in keys:
                self.fault(i, f"reference key '{match['key']}' stands twice", "rename one")
            else:
                keys.add(match["key"])
                title = match["title"].removesuffix(".")
                yield Reference(
                    match["key"], match["authors"], match["year"], title, match["identifier"], i + 1
                )

    def question(self, found: _Found, end: int, stem: str) -> Question:
        values, places, start = self.headers(found.index, end)
        short, spans = self.sections(start, end)
        here = found.index
        if not short.text:
            self.fault(here, f"question {found.number} has no answer", "write one under it")
        level = values.get("Level", "").lower()
        if level and level not in LEVELS:
            self.fault(
                places["Level"] - 1, f"unknown level '{values['Level']}'", nearest(level, LEVELS)
            )
        phrases = _split_list(values.get("Also asked", ""), ";")
        if len(phrases) > ALSO_ASKED_PHRASES or any(
            len(p.split()) > ALSO_ASKED_WORDS for p in phrases
        ):
            limit = f"at most {ALSO_ASKED_PHRASES} phrases of at most {ALSO_ASKED_WORDS} words"
            self.fault(places["Also asked"] - 1, "too much under 'Also asked'", limit)
        see_also = []
        for word in _split_list(values.get("See also", ""), ","):
            if word.isascii() and word.isdigit() and len(word) <= 6:
                see_also.append(int(word))
            else:
                self.fault(
                    places["See also"] - 1,
                    f"'{word}' is no question number",
                    "write numbers and commas",
                )
        title = values.get("Title") or cut_title(found.text)
        depth = self.block(*spans["In depth"]) if "In depth" in spans else None
        said = spans.get("Often said")
        asked = spans.get("Follow-ups")
        cited = spans.get("References")
        return Question(
            number=found.number,
            text=found.text,
            path=self.file.path,
            line=here + 1,
            stem=stem or f"{found.number:02d}-{slugify(title) or 'question'}",
            title=title,
            topic=values.get("Topic", ""),
            level=level,
            tags=_split_list(values.get("Tags", ""), ","),
            also_asked=phrases,
            see_also=tuple(see_also),
            short=short,
            depth=depth,
            often_said=tuple(self.items(said, ">", "Often said")) if said else (),
            follow_ups=tuple(self.items(asked, "### ", "Follow-ups")) if asked else (),
            references=tuple(self.references(cited)) if cited else (),
            header_lines=places,
        )


# ── files and the bank ─────────────────────────────────────────────────────────────────────────


def _furniture(file: SourceFile, last_question: int) -> tuple[int, str, list[str]]:
    """Where the last answer ends, the rights note after it, and a warning for each dropped line.

    A scraped page often ends in a copyright line, with a stray word before it that a decoration
    left behind, and a few short lines after it.
    """
    lines, end = file.lines, len(file.lines)
    fenced, _ = open_fences(lines)
    filled = [i for i in range(last_question + 1, end) if lines[i]]
    notes = [
        i
        for i in filled[-4:]
        if len(lines[i]) <= 200 and _RIGHTS.match(lines[i]) and i not in fenced
    ]
    if not notes:
        return end, "", []
    note = notes[0]
    if any(len(lines[i]) > 60 for i in filled if i > note and i not in notes):
        return end, "", []  # real text goes on after it: no furniture
    dropped = [i for i in filled if i > note]
    before = [i for i in filled if i < note]
    if len(before) > 1 and _is_stray(lines, before[-1]) and before[-1] not in fenced:
        dropped.insert(0, before[-1])
    warnings = [
        f"{file.path}:{i + 1}: dropped '{lines[i][:60]}', a remnant of the page the text came from"
        for i in dropped
    ]
    warnings.append(f"{file.path}:{note + 1}: kept '{lines[note][:60]}' as the rights note")
    return min([note, *dropped]), lines[note], warnings


def _is_stray(lines: tuple[str, ...], index: int) -> bool:
    """Whether the line is a single word that no sentence before it leads into."""
    previous = lines[index - 1] if index else ""
    ended = not previous or previous[-1] in ".!?:)\"'”"
    return ended and bool(_WORD.fullmatch(lines[index].strip()))


def _parse_file(file: SourceFile) -> tuple[list[str], str, list[Question], list[str], list[Fault]]:
    """One file → lines before its first question, rights note, questions, warnings, faults."""
    found, faults = _find_questions(file)
    if not found:
        todo = "write '1. The question?' between blank lines"
        return [], "", [], [], [*faults, Fault(file.path, 0, "no question in this file", todo)]
    end, rights, warnings = _furniture(file, found[-1].index)
    parts = _Parts(file)
    name = file.stem if _STEM.fullmatch(file.stem) else slugify(file.stem)
    stem = name if len(found) == 1 and not _RESERVED_STEM.fullmatch(name) else ""
    ends = [*(f.index for f in found[1:]), end]
    questions = [parts.question(f, stop, stem) for f, stop in zip(found, ends, strict=True)]
    front = [line for line in file.lines[: found[0].index] if line]
    return front, rights, questions, warnings, [*faults, *parts.faults]


def _order_faults(questions: list[Question], first: int) -> list[Fault]:
    """Numbers that are repeated or skipped from one file to the next."""
    faults = []
    expected = first
    for question in questions:
        if question.number != expected:
            before = "the bank starts with" if expected == first else "expected"
            kind = "repeated or out of order" if question.number < expected else "too early"
            what = f"question {question.number} is {kind}: {before} {expected}"
            todo = f"number it {expected}, or add what is missing before it"
            faults.append(Fault(question.path, question.line, what, todo))
        expected = question.number + 1
    return faults


def parse_bank(files: list[SourceFile]) -> Bank:
    """All files of the source text → the bank, in the order of its question numbers.

    Raises:
        Refused: with every fault of every file.
    """
    parsed = [(file, *_parse_file(file)) for file in files]
    faults = [fault for *_, found in parsed for fault in found]
    parsed = [entry for entry in parsed if entry[3]]
    parsed.sort(key=lambda entry: entry[3][0].number)
    if not parsed:
        raise Refused(faults)
    questions = [question for entry in parsed for question in entry[3]]
    # One file by itself may be a part of a bank: its name then says where it starts.
    named = re.match(r"([0-9]{1,6})-", files[0].stem) if len(files) == 1 else None
    first = questions[0].number if named and int(named[1]) == questions[0].number else 1
    reported = {(f.path, f.line) for f in faults}
    faults += [f for f in _order_faults(questions, first) if (f.path, f.line) not in reported]
    title, *subtitle = parsed[0][1] or ["Questions and answers"]
    for file, front, *_ in parsed[1:]:
        if front:
            line = next(i for i, text in enumerate(file.lines, 1) if text)
            todo = "start it with its question; only the first file has title lines"
            faults.append(
                Fault(file.path, line, f"text before the first question: {front[0][:40]!r}", todo)
            )
    by_stem: dict[str, Question] = {}
    numbers = {question.number for question in questions}
    for question in questions:
        if (other := by_stem.setdefault(question.stem, question)) is not question:
            what = f"the page's name '{question.stem}' is taken by question {other.number}"
            faults.append(
                Fault(question.path, question.line, what, "give it another Title or file name")
            )
        for number in question.see_also:
            if number not in numbers or number == question.number:
                kind = "itself" if number == question.number else "no question"
                line = question.header_lines["See also"]
                faults.append(
                    Fault(
                        question.path, line, f"See also {number} points at {kind}", "name another"
                    )
                )
    if faults:
        raise Refused(faults)
    rights = dict.fromkeys(entry[2] for entry in parsed if entry[2])
    warnings = tuple(w for entry in parsed for w in entry[4])
    if not parsed[0][1]:
        warnings += (f"{parsed[0][0].path}: no title line; the site is called '{title}'",)
    bank = Bank(title, tuple(subtitle), " · ".join(rights), tuple(questions), warnings)
    # A See also is said once, in the order in which it was written.
    unique = tuple(replace(q, see_also=tuple(dict.fromkeys(q.see_also))) for q in bank.questions)
    return replace(bank, questions=unique)
