"""From the text of a notebook (`.py`, percent format) to its cells, which get stable ids."""

from __future__ import annotations

import hashlib
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from stages.evidence import Problem, claim_of, source_problems
from stages.records import Cell, Fault, Refused

LONGEST = 25  # lines of a code cell
MEDIAN = 6  # of the code cells' lines, blank ones not counted

_MARKER = re.compile(r"#\s*%%")
# What jupytext notes for its own way back; the way back is not taken here.
_JUPYTEXT_NOTES = ("cell_marker", "lines_to_end_of_cell_marker", "lines_to_next_cell")


@dataclass(frozen=True)
class NotebookText:
    """A notebook as it is written by hand.

    Attributes:
        stem: name of the file without its suffix.
        path: the file, as faults name it.
        cells: the cells, without outputs.
        lines: line of the file on which each cell's source starts (1-based; 0: not known).
    """

    stem: str
    path: str
    cells: tuple[Cell, ...]
    lines: tuple[int, ...]

    def fault(self, problem: Problem) -> Fault:
        """Say of a problem where it is in the text."""
        if problem.cell is None or not self.lines[problem.cell]:
            return Fault(self.path, 0, problem.what, problem.todo)
        line = self.lines[problem.cell] + problem.line
        return Fault(self.path, line, f"this cell {problem.what}", problem.todo)


def read_notebook_text(path: Path, shown: str | None = None) -> NotebookText:
    """Read the `.py` text of a notebook and check everything that needs no execution.

    Raises:
        Refused: with every fault, by line of the text.
    """
    name = shown or str(path)
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        fault = Fault(name, 0, f"is not UTF-8 (byte {error.start})", "save it as UTF-8")
        raise Refused([fault]) from None
    except OSError as error:
        raise Refused(
            [Fault(name, 0, f"cannot be read ({error.strerror})", "look at it")]
        ) from None
    if "\0" in text:
        raise Refused([Fault(name, 0, "contains a NUL character", "remove it")])
    cells = _with_ids(jupytext.reads(text, fmt="py:percent").cells)
    found = NotebookText(path.stem, name, cells, _starts(text, cells))
    problems = [*source_problems(cells), *_form_problems(cells)]
    if _text_before_first_cell(text):
        problems.append(Problem("has text before its first cell", "begin with `# %% [markdown]`"))
    if problems:
        raise Refused([found.fault(problem) for problem in problems])
    return found


def to_document(cells: Sequence[Cell]) -> Any:
    """Return the nbformat 4.5 notebook of these cells, with normalised metadata."""
    nodes = [
        nbformat.v4.new_code_cell(cell.source, id=cell.id, metadata=dict(cell.metadata))
        if cell.kind == "code"
        else nbformat.v4.new_markdown_cell(cell.source, id=cell.id, metadata=dict(cell.metadata))
        for cell in cells
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=nodes, metadata=metadata, nbformat_minor=5)


def _with_ids(nodes: Sequence[Mapping[str, Any]]) -> tuple[Cell, ...]:
    """Name the cells by their claim or content, so that an insertion renames no other cell."""
    seen: Counter[str] = Counter()
    cells = []
    for node in nodes:
        kind, source = node["cell_type"], node["source"]
        metadata = {k: v for k, v in node["metadata"].items() if k not in _JUPYTEXT_NOTES}
        tags = metadata.get("tags", [])
        tags = tuple(map(str, tags)) if isinstance(tags, list) else ()
        claim = claim_of(source) if kind == "code" and "claim" in tags else None
        digest = hashlib.sha256(f"{kind}\n{source}".encode()).hexdigest()
        name = f"claim-{claim[0]}" if claim else f"cell-{digest[:8]}"
        seen[name] += 1
        name = name if seen[name] == 1 else f"{name}-{seen[name]}"
        cells.append(Cell(name, kind, source, tags, metadata))
    return tuple(cells)


def _starts(text: str, cells: Sequence[Cell]) -> tuple[int, ...]:
    """Return the line on which each cell's source starts; zeros if markers and cells differ."""
    lines = text.split("\n")
    markers = [number for number, line in enumerate(lines, 1) if _MARKER.match(line)]
    if not cells or len(markers) != len(cells):
        return (0,) * len(cells)
    starts = []
    for marker, end in zip(markers, [*markers[1:], len(lines) + 1], strict=True):
        filled = (n for n in range(marker + 1, end) if lines[n - 1].strip())
        starts.append(next(filled, marker))
    return tuple(starts)


def _text_before_first_cell(text: str) -> bool:
    lines = text.split("\n")
    first = next((i for i, line in enumerate(lines) if _MARKER.match(line)), len(lines))
    return any(line.strip() for line in lines[:first])


def _form_problems(cells: Sequence[Cell]) -> Iterator[Problem]:
    code = [cell for cell in cells if cell.kind == "code"]
    if not cells or cells[0].kind != "markdown" or not cells[0].source.startswith("# "):
        yield Problem("does not begin with a title", "make its first cell markdown: `# # Title`")
    for index, cell in enumerate(cells):
        length = cell.source.count("\n") + 1
        if cell.kind == "raw":
            yield Problem("is a raw cell", "make it markdown or code", index)
        elif not cell.source.strip():
            yield Problem("is empty", "fill or remove it", index)
        elif cell.kind == "code" and length > LONGEST:
            yield Problem(f"has {length} lines", f"split it: {LONGEST} at most", index)
        if cell.kind == "code" and (index == 0 or cells[index - 1].kind != "markdown"):
            # The parameters stand right under the title.
            yield Problem("has no sentence before it", "put a markdown cell before it", index)
    lengths = [len([line for line in cell.source.split("\n") if line.strip()]) for cell in code]
    if lengths and statistics.median(lengths) > MEDIAN:
        what = f"half of its code cells have more than {MEDIAN} lines"
        yield Problem(f"{what} (median {statistics.median(lengths):g})", "split the longest cells")
