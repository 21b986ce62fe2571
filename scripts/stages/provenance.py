"""Is a stored notebook still what its text, its pinned packages and its data give?

Only the standard library is used, so that `--check` needs nothing installed.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from stages.evidence import fingerprint, inspect_document, load_document
from stages.records import Cell, Fault, Refused

_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*===?\s*([^\s;\\]+)")
_CHANGED = {"code": "its text", "data": "its data", "versions": "the pinned versions"}


def shown_path(path: Path) -> str:
    """Return the path as faults name it: relative to the working directory where it lies below."""
    try:
        return path.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def chosen_stems(folder: Path, stems: Sequence[str]) -> list[str]:
    """Return the stems asked for, each once, in order; all of the folder's if none is asked for.

    Raises:
        Refused: for each stem without a text, with the nearest that has one.
    """
    known = sorted(path.stem for path in folder.glob("*.py") if path.is_file())
    faults = []
    for stem in stems:
        if stem not in known:
            near = [name for name in known if name.startswith(stem)] if stem else []
            near = near or difflib.get_close_matches(stem, known, 1, 0.3)
            todo = f"did you mean {near[0]}?" if near else "write its text first"
            path = shown_path(folder / f"{stem}.py")
            faults.append(Fault(path, 0, "there is no such notebook", todo))
    if faults:
        raise Refused(faults)
    return sorted(set(stems)) if stems else known


def significant(requirements: str) -> list[str]:
    """Return the lines of a requirements file, without comments and blank lines."""
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in requirements.splitlines())
    return [line for line in lines if line]


def pins(requirements: str) -> dict[str, str]:
    """Return name → version of the packages that a requirements file pins (`name==version`)."""
    matches = (_PIN.match(line) for line in significant(requirements))
    return {normal_name(m[1]): m[2] for m in matches if m}


def normal_name(package: str) -> str:
    """Return a package's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", package).lower()


def read_requirements(requirements: Path) -> str:
    """Return the text of the requirements file.

    Raises:
        Refused: if it cannot be read.
    """
    try:
        return requirements.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        what = "cannot be read; it pins what the notebooks run with"
        raise Refused([Fault(shown_path(requirements), 0, what, "restore it")]) from None


def inputs_of(text: Path, requirements: str) -> dict[str, str]:
    """Return a sha256 of each input of a notebook: its code, its data, the pinned versions.

    Args:
        text: the notebook's `.py`; data are the files below `data/` beside it that it names.
        requirements: content of the requirements file.
    """
    code = text.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    folder = text.parent / "data"
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    data = hashlib.sha256()
    for path in files:
        if path.name.encode() in code:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            data.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    versions = "\n".join(significant(requirements))
    return {
        "code": hashlib.sha256(code).hexdigest(),
        "data": data.hexdigest(),
        "versions": hashlib.sha256(versions.encode()).hexdigest(),
    }


def stale_notebooks(folder: Path, stems: Sequence[str], requirements: Path) -> list[Fault]:
    """Say of each notebook whose stored run is not that of today's inputs why it is not.

    Args:
        folder: where texts, executed notebooks and `data/` lie.
        stems: the notebooks to look at; all of the folder's if empty.
        requirements: the file that pins what notebooks run with.

    Raises:
        Refused: for an unknown stem or an unreadable requirements file.
    """
    pinned = read_requirements(requirements)
    faults = []
    for stem in chosen_stems(folder, stems):
        faults += [
            Fault(shown_path(folder / f"{stem}.ipynb"), 0, reason, _rerun(stem))
            for reason in stale_reasons(folder, stem, pinned)
        ]
    if not stems:
        texts = {path.stem for path in folder.glob("*.py")}
        faults += [
            Fault(
                shown_path(path), 0, "has no text beside it", f"write {path.stem}.py or remove it"
            )
            for path in sorted(folder.glob("*.ipynb"))
            if path.stem not in texts
        ]
    return faults


def _rerun(stem: str) -> str:
    return f"run python scripts/build.py notebooks {stem}"


def stale_reasons(folder: Path, stem: str, requirements: str) -> list[str]:
    """Say why the stored notebook of this stem is not the run of today's inputs; [] if it is."""
    path = folder / f"{stem}.ipynb"
    if not path.exists():
        return ["was never executed"]
    try:
        document = load_document(path, str(path))
    except Refused as refused:
        return [fault.what for fault in refused.faults]
    evidence, problems = inspect_document(document, stem, str(path))
    if not evidence.stamp.executed:
        return ["has no stamp of a run"]
    text = folder / f"{stem}.py"
    stored, inputs = document["metadata"]["provenance"], inputs_of(text, requirements)
    reasons = [
        f"was executed before {words} changed"
        for name, words in _CHANGED.items()
        if stored["inputs"][name] != inputs[name]
    ]
    if stored["inputs"]["code"] == inputs["code"] and not _is_text(evidence.cells, text):
        reasons.append("has cells that are not those of its text")
    elif stored["outputs"] != fingerprint(evidence.cells):
        reasons.append("was changed by hand since it ran")
    return reasons or sorted({problem.what for problem in problems})


def _is_text(cells: Sequence[Cell], text: Path) -> bool:
    """Say whether every cell's source stands in the text, code as it is, Markdown in comments."""
    lines = [line.rstrip() for line in text.read_text("utf-8-sig").splitlines()]
    whole = "\n".join(["", *lines, ""])
    for cell in cells:
        source = [line.rstrip() for line in cell.source.split("\n")]
        commented = [f"# {line}".rstrip() for line in source]
        if not any("\n".join(["", *form, ""]) in whole for form in (source, commented)):
            return False
    return True
