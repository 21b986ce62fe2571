"""Source text + executed notebooks → pages on disk. Brings the pure stages together."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stages import front
from stages.evidence import read_evidence
from stages.front import counts, counts_sentence
from stages.glossary import NAME as GLOSSARY
from stages.glossary import glossary_faults, glossary_page, read_glossary
from stages.ledger import PAGE as EVIDENCE
from stages.ledger import evidence_page
from stages.paper import CHEAT_SHEET, PRINT, cheat_sheet, print_page
from stages.parse import parse_bank, read_source
from stages.records import Bank, Evidence, Fault, Glossary, Question, Refused
from stages.render import Page, render_page
from stages.study import study_page
from stages.validate import bank_faults
from stages.write import in_the_way, write_if_changed, write_tree


@dataclass(frozen=True)
class Assembled:
    """Everything that the site is made of, checked, and not yet written."""

    bank: Bank
    evidence: dict[str, Evidence]  # by the stem of the page
    notebooks: dict[str, Path]  # the .ipynb files, by the stem of the page
    pages: tuple[Page, ...]
    front: Mapping[str, bytes]  # the pages about all questions, by their names in docs/
    notices: tuple[str, ...]  # pairings and warnings that the user should see


def pair_notebooks(
    questions: Sequence[Question], notebooks: Path, *, by_number: bool
) -> tuple[dict[str, Path], list[Fault]]:
    """Which notebook belongs to which page, by the page's stem.

    The notebook of the same stem joins the page; `by_number` lets a question without one take
    the single notebook whose name starts with its number.
    """
    paths = {p.stem: p for p in sorted(notebooks.glob("*.ipynb"))} if notebooks.is_dir() else {}
    pairs = {q.stem: paths[q.stem] for q in questions if q.stem in paths}
    faults = []
    for question in questions if by_number else ():
        if question.stem in pairs:
            continue
        numbered = [
            path
            for stem, path in paths.items()
            if (digits := stem.partition("-")[0]).isdecimal()
            and int(digits) == question.number
            and path not in pairs.values()
        ]
        if len(numbered) == 1:
            pairs[question.stem] = numbered[0]
        elif numbered:
            names = ", ".join(path.name for path in numbered)
            what = f"several notebooks start with the number of question {question.number}: {names}"
            faults.append(
                Fault(question.path, question.line, what, "keep one of them in the folder")
            )
    return pairs, faults


def _strays(questions: Sequence[Question], notebooks: Path) -> list[Fault]:
    """Notebooks whose name is no page's: their page would be published without its evidence."""
    stems = {question.stem for question in questions}
    faults = []
    for path in sorted(notebooks.glob("*.ipynb")):
        if path.stem not in stems:
            near = difflib.get_close_matches(path.stem, stems, 1)
            todo = f"name it {near[0]}.ipynb" if near else "give it a question of its name"
            faults.append(Fault(str(path), 0, "belongs to no question", todo))
    return faults


def assemble(
    source: Path,
    notebooks: Path,
    *,
    by_number: bool = False,
    repository: str = "",
    branch: str = "main",
    views: bool = True,
) -> Assembled:
    """Read, parse, validate and render everything; nothing is written.

    Args:
        source: a text file, or a folder of them.
        notebooks: the folder of executed notebooks.
        by_number: pair notebooks with questions by number too (an explicit `--notebooks`).
        repository, branch: where the project lives, for links to run a notebook; may be empty.
        views: whether the site has full notebook views to link to.

    Raises:
        Refused: with every fault of text, notebooks and what they say of each other.
    """
    if by_number and not notebooks.is_dir():
        raise Refused([Fault(str(notebooks), 0, "no such folder", "name a folder of notebooks")])
    bank = parse_bank(read_source(source))
    pairs, faults = pair_notebooks(bank.questions, notebooks, by_number=by_number)
    if pairs and not by_number:  # a folder written for this text
        faults += _strays(bank.questions, notebooks)
    evidence: dict[str, Evidence] = {}
    for stem, path in pairs.items():
        try:
            evidence[stem] = replace(read_evidence(path), stem=stem)
        except Refused as refused:
            faults += refused.faults
    written_for = {stem for stem, path in pairs.items() if path.stem == stem}
    readable = {stem: evidence.get(stem) for stem in pairs}
    # A page whose notebook was refused is not also blamed for citing it.
    sound = replace(
        bank, questions=tuple(q for q in bank.questions if readable.get(q.stem, ...) is not None)
    )
    faults += bank_faults(sound, evidence, written_for)
    try:
        glossary = read_glossary(source)
    except Refused as refused:
        glossary = Glossary()
        faults += refused.faults
    faults += glossary_faults(glossary, bank)
    pages = [
        render_page(
            q,
            evidence.get(q.stem),
            bank,
            glossary=glossary,
            repository=repository,
            branch=branch,
            views=views,
        )
        for q in sound.questions
    ]
    faults += [fault for page in pages for fault in page.faults]
    if faults:
        raise Refused(faults)
    notices = [
        f"{path.name} joins the page {stem}" for stem, path in pairs.items() if path.stem != stem
    ]
    made = front_files(bank, evidence, pages, glossary, repository)
    return Assembled(bank, evidence, pairs, tuple(pages), made, (*bank.warnings, *notices))


def front_files(
    bank: Bank,
    evidence: Mapping[str, Evidence],
    pages: Sequence[Page],
    glossary: Glossary,
    repository: str,
) -> dict[str, bytes]:
    """The pages about all questions and `questions.json`, by their names in docs/.

    Those that would be empty (no glossary, nothing checked, no ways through) are left out.
    """
    minutes = {q.number: page.parts.minutes for q, page in zip(bank.questions, pages, strict=True)}
    texts = {
        front.HOME: front.home_page(bank, evidence, minutes),
        front.TOPICS: front.topics_page(bank, evidence),
        front.WAYS: front.ways_page(bank, minutes),
        front.STUDY: study_page(bank, pages, evidence),
        EVIDENCE: evidence_page(bank, evidence, repository),
        GLOSSARY: glossary_page(glossary, bank),
        PRINT: print_page(bank, pages, evidence),
        CHEAT_SHEET: cheat_sheet(bank, pages),
        "questions.json": front.questions_json(bank, evidence),
    }
    return {name: text.encode() for name, text in texts.items() if text}


def page_files(assembled: Assembled) -> dict[str, bytes]:
    """The pages and their figures: relative path → content."""
    return {name: data for page in assembled.pages for name, data in page.files().items()}


def refuse_what_is_in_the_way(trees: Mapping[Path, Mapping[str, bytes]]) -> None:
    """Look for files of the user's in all folders before anything is written into one.

    Raises:
        Refused: with every such file.
    """
    if faults := [fault for folder, files in trees.items() for fault in in_the_way(folder, files)]:
        raise Refused(faults)


def write_pages(assembled: Assembled, output: Path) -> list[str]:
    """Write the pages and their figures under `output`; return the paths that changed."""
    return write_tree(output, page_files(assembled))


def write_counts(assembled: Assembled, readme: Path) -> None:
    """Fill the README's line of counts, which stands between two comments."""
    text = readme.read_text("utf-8") if readme.is_file() else ""
    head, mark, rest = text.partition("<!-- counts -->\n")
    if mark:
        if "<!-- /counts -->" not in rest:
            line = head.count("\n") + 1
            todo = "put <!-- /counts --> on a line after it"
            raise Refused([Fault(readme.name, line, "<!-- counts --> is never closed", todo)])
        said = counts_sentence(counts(assembled.bank, assembled.evidence))
        tail = rest[rest.index("<!-- /counts -->") :]
        write_if_changed(readme, f"{head}{mark}{said}\n{tail}")


def write_front(assembled: Assembled, docs: Path) -> list[str]:
    """Write the pages about all questions into the folder of hand-written pages; return what
    changed."""
    return write_tree(docs, assembled.front)
