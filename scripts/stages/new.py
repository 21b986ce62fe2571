"""Skeletons of a question's text and notebook, ready to fill in."""

from __future__ import annotations

from pathlib import Path

from stages.parse import cut_title, decode, parse_bank, read_source, slugify
from stages.records import Fault, Refused
from stages.template import fill
from stages.validate import bank_faults
from stages.write import write_if_changed


def new_question(number: int, question: str, source: Path, notebooks: Path) -> tuple[Path, Path]:
    """Write the skeletons for question `number`; return the text's and the notebook's path.

    Raises:
        Refused: the number is not the next one, the question cannot be one, a file is in the way,
            or the text that is there is refused. Nothing is written then.
    """
    question = " ".join(question.encode("utf-8", "replace").decode().split())
    shown = f"question {number}"
    if not question:
        raise Refused([Fault(shown, 0, "no question is given", 'write new 26 "What is …?"')])
    following = 1
    if source.is_dir() and any(source.glob("*.txt")):
        following = parse_bank(read_source(source)).questions[-1].number + 1
    if number != following:
        raise Refused([Fault(shown, 0, "is not the next number", f"use {following}")])
    stem = f"{number:02d}-{slugify(question, 40) or 'question'}"
    text, notebook = source / f"{stem}.txt", notebooks / f"{stem}.py"
    for path in (text, notebook):
        if path.exists():
            raise Refused([Fault(str(path), 0, "is there already", "rename or delete it")])
    title = cut_title(question).rstrip("?")
    values = {"number": number, "question": question, "title": title, "stem": stem}
    written = fill("source.txt", **values)
    # A question that its own page would refuse is refused here.
    bank = parse_bank([decode(shown, stem, written.encode())])
    if faults := bank_faults(bank, {}, set()):
        raise Refused(faults)
    write_if_changed(text, ("" if number > 1 else "Questions and answers\n\n") + written)
    write_if_changed(notebook, fill("notebook.py", **values))
    return text, notebook
