"""Reading an executed notebook: its form is checked, its claims and results are taken out.

Only the standard library is used here: building the site needs neither PyTorch nor Jupyter.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from stages.records import Cell, Claim, Evidence, Fault, Refused, Stamp

TAGS = ("parameters", "claim", "results", "timing")
INJECTED = "injected-parameters"
METADATA = ("alt", "caption", "falsify", "tags", "tolerance")
TOLERANCE = 1e-6  # relative; a cell may state its own
CLAIM_FORM = '"# claim slug: Sentence.", continued on lines that begin with "#   "'

_SLUG = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_LONGEST_SLUG = 58  # nbformat allows a cell id 64 characters, of which "claim-" takes 6
_CLAIM = re.compile(rf"# claim ({_SLUG}): (\S.*)")
_CLAIM_LIKE = re.compile(r"#\s*claim\b.*:")
_CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]{6,}|\b0x7[ef][0-9a-fA-F]{8,}")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_PLOT_WORDS = frozenset(
    "a an the of and with in for two three several some its axes bar bars box chart charts curve"
    " curves diagram figure figures graph graphs heatmap histogram histograms image images line"
    " lines map matplotlib panel panels picture plot plots scatter screenshot showing shows"
    " subplot subplots violin".split()
)
_INPUTS = ("code", "data", "versions")


@dataclass(frozen=True)
class Problem:
    """What is wrong with a notebook, wherever its cells are written down.

    Attributes:
        what: what is wrong.
        todo: what to do.
        cell: 0-based index of the cell, or None where the whole notebook is to blame.
        line: 0-based line within that cell's source.
    """

    what: str
    todo: str
    cell: int | None = None
    line: int = 0


def read_evidence(path: Path, shown: str | None = None) -> Evidence:
    """Read the executed notebook at `path` and check its form.

    Args:
        path: an `.ipynb` file; its name without the suffix is the stem.
        shown: the path as faults shall name it; `path` itself by default.

    Raises:
        Refused: with every fault of form, each naming the cell by its place and first line.
    """
    name = shown or str(path)
    evidence, problems = inspect_document(load_document(path, name), path.stem, name)
    if problems:
        raise Refused([_fault(name, evidence.cells, problem) for problem in problems])
    return evidence


def load_document(path: Path, shown: str) -> dict[str, Any]:
    """Read the JSON of a notebook whose shape can be relied on below.

    Raises:
        Refused: if the file is missing, is not UTF-8 or JSON, or is not an nbformat 4 notebook.
    """
    again = "execute the notebook again"
    try:
        document = json.loads(path.read_text("utf-8-sig"))
        json.dumps(document, ensure_ascii=False).encode()
    except FileNotFoundError:
        raise Refused([Fault(shown, 0, "there is no executed notebook", again)]) from None
    except (OSError, ValueError, RecursionError) as error:
        what = f"cannot be read as a notebook ({_first_line(str(error))})"
        raise Refused([Fault(shown, 0, what, again)]) from None
    if problems := [*_shape_problems(document)]:
        raise Refused([Fault(shown, 0, what, again) for what in problems])
    assert isinstance(document, dict)
    return document


def inspect_document(
    document: Mapping[str, Any], stem: str, shown: str
) -> tuple[Evidence, list[Problem]]:
    """Take the evidence out of a notebook's JSON (of sound shape) and list what is wrong with it.

    The evidence is complete only where the list is empty.
    """
    raw = document["cells"]
    cells = [_cell(entry) for entry in raw]
    problems = [*_id_problems(raw), *_order_problems(raw), *source_problems(cells)]
    results: dict[str, int | float | str] = {}
    for index, cell in enumerate(cells):
        problems += [replace(problem, cell=index) for problem in _output_problems(cell)]
        if "claim" in cell.tags:
            claim, found = _claim(cell)
            cells[index] = replace(cell, claim=claim)
            problems += [replace(problem, cell=index) for problem in found]
        if "results" in cell.tags:
            results, found = _results(cell)
            problems += [replace(problem, cell=index) for problem in found]
    stamp, found = _stamp(document)
    return Evidence(stem, shown, tuple(cells), results, stamp), problems + found


def fingerprint(cells: Iterable[Cell]) -> str:
    """Return a sha256 over ids, sources, metadata and outputs, those of timing cells left out."""
    parts = [[cell.id, cell.kind, cell.source, cell.metadata, _lasting(cell)] for cell in cells]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def claim_of(source: str) -> tuple[str, str] | None:
    """Return slug and sentence of a claim cell's source, or None if it has not the claim's form."""
    first, *rest = source.split("\n")
    match = _CLAIM.fullmatch(first)
    if not match or len(match[1]) > _LONGEST_SLUG:
        return None
    sentence = [match[2].strip()]
    for line in rest:
        if not line.startswith("#   "):
            break
        sentence.append(line[1:].strip())
    return match[1], " ".join(sentence)


# ── what can be said of the source alone ───────────────────────────────────────────────────────


def source_problems(cells: Sequence[Cell]) -> list[Problem]:
    """List what is wrong with sources, tags and metadata, executed or not."""
    trees = [_parsed(cell) if cell.kind == "code" else None for cell in cells]
    problems = [*_parameter_problems(cells, trees), *_repeated(cells)]
    for index, (cell, tree) in enumerate(zip(cells, trees, strict=True)):
        found = [*_metadata_problems(cell)]
        if isinstance(tree, Problem):
            found.append(tree)
        elif tree is not None:
            found += _claim_problems(cell, tree)
        problems += [replace(problem, cell=index) for problem in found]
    return problems


def _parsed(cell: Cell) -> ast.Module | Problem:
    try:
        return ast.parse(cell.source)
    except SyntaxError as error:
        line = max(0, min(error.lineno or 1, cell.source.count("\n") + 1) - 1)
        return Problem(f"is not Python ({error.msg})", "write plain Python, no magics", line=line)
    except (ValueError, RecursionError, MemoryError) as error:
        return Problem(f"is not Python ({error})", "write plain Python")


def _parameter_problems(
    cells: Sequence[Cell], trees: Sequence[ast.Module | Problem | None]
) -> Iterator[Problem]:
    todo = 'make the first code cell `# %% tags=["parameters"]` and set `SEED = 0` in it'
    first = next((i for i, cell in enumerate(cells) if cell.kind == "code"), None)
    if first is None:
        yield Problem("there is no code cell", todo)
        return
    if "parameters" not in cells[first].tags:
        yield Problem("the first code cell is not tagged `parameters`", todo, first)
    elif not _sets_seed(trees[first]):
        yield Problem("the parameters cell does not set `SEED = 0`", todo, first)
    for index, cell in enumerate(cells[first + 1 :], first + 1):
        if "parameters" in cell.tags:
            yield Problem("is a second cell tagged `parameters`", "keep one", index)


def _sets_seed(tree: ast.Module | Problem | None) -> bool:
    statements = tree.body if isinstance(tree, ast.Module) else []
    return any(
        isinstance(node, ast.Assign)
        and [ast.unparse(target) for target in node.targets] == ["SEED"]
        and isinstance(node.value, ast.Constant)
        and type(node.value.value) is int
        and node.value.value == 0
        for node in statements
    )


def _repeated(cells: Sequence[Cell]) -> Iterator[Problem]:
    """Find slugs that are used twice and a second results cell."""
    seen: set[str] = set()
    results = False
    for index, cell in enumerate(cells):
        claim = claim_of(cell.source) if "claim" in cell.tags else None
        if claim and claim[0] in seen:
            yield Problem(f"claim {claim[0]} is already on this page", "choose another slug", index)
        if claim:
            seen.add(claim[0])
        if "results" in cell.tags:
            if results:
                yield Problem("is a second results cell", "put all results into one dict", index)
            results = True


def _metadata_problems(cell: Cell) -> Iterator[Problem]:
    for key in cell.metadata:
        if key not in METADATA:
            near = difflib.get_close_matches(key, METADATA, 1)
            todo = f"write {near[0]}" if near else f"use only {', '.join(METADATA)}"
            yield Problem(f"has unknown metadata {key!r}", f"{todo}, as key=json after `# %%`")
    tags = cell.metadata.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield Problem("has tags that are no list of strings", 'write tags=["claim"]')
    for tag in cell.tags:
        if tag not in (*TAGS, INJECTED):
            near = difflib.get_close_matches(tag, TAGS, 1)
            todo = f"write {near[0]!r}" if near else f"use only {', '.join(TAGS)}"
            yield Problem(f"has the unknown tag {tag!r}", todo)
    for key in ("alt", "caption", "falsify"):
        if not isinstance(cell.metadata.get(key, ""), str):
            yield Problem(f"has a {key} that is no string", f'write {key}="…"')
    tolerance = cell.metadata.get("tolerance", TOLERANCE)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not tolerance > 0:
        yield Problem("has a tolerance that is no positive number", "write e.g. tolerance=0.05")
    if "alt" in cell.metadata and not _says_what_is_seen(str(cell.metadata["alt"])):
        todo = "say what is to be seen in it"
        yield Problem("has an alt text that says nothing of the figure's content", todo)


def _says_what_is_seen(alt: str) -> bool:
    return any(word not in _PLOT_WORDS for word in re.findall(r"\w+", alt.casefold()))


def _claim_problems(cell: Cell, tree: ast.Module) -> Iterator[Problem]:
    if "claim" not in cell.tags:
        if _CLAIM_LIKE.match(cell.source):
            yield Problem("reads like a claim, but is not tagged", 'write `# %% tags=["claim"] …`')
        return
    if claim_of(cell.source) is None:
        todo = f"begin it with {CLAIM_FORM}; slug: lower-case words and hyphens, at most 58 letters"
        yield Problem("is tagged `claim`, but does not begin with a claim", todo)
    if not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
        yield Problem("is a claim without an assert", "assert what the sentence says")
    falsify = cell.metadata.get("falsify", "")
    if not isinstance(falsify, str) or not falsify.strip():
        todo = 'add falsify="…": code after which the claim must fail'
        yield Problem("is a claim without a counterfactual", todo)
        return
    try:
        ast.parse(falsify)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        yield Problem(f"has a falsify that is not Python ({_first_line(str(error))})", "mend it")


# ── what the execution left ────────────────────────────────────────────────────────────────────


def _id_problems(raw: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    todo = "execute the notebook with the project's runner, which sets the ids"
    counts = Counter(str(entry.get("id")) for entry in raw)
    for index, entry in enumerate(raw):
        name = entry.get("id")
        if not isinstance(name, str) or not _CELL_ID.fullmatch(name):
            yield Problem("has no proper cell id", todo, index)
        elif counts[name] > 1:
            yield Problem(f"shares its cell id {name!r} with another", todo, index)


def _order_problems(raw: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    todo = "execute the notebook from top to bottom"
    expected = 0
    for index, entry in enumerate(raw):
        if entry["cell_type"] != "code":
            continue
        expected += 1
        count = entry.get("execution_count")
        if count is None:
            yield Problem("was not executed", todo, index)
        elif count != expected:
            yield Problem(f"was executed as number {count!r}, not {expected}", todo, index)


def _output_problems(cell: Cell) -> Iterator[Problem]:
    for output in cell.outputs:
        if output["output_type"] == "error":
            said = f"{output.get('ename')}: {_first_line(str(output.get('evalue')))}"
            yield Problem(f"raised {said}", "mend the cell and execute the notebook again")
        elif output.get("name") == "stderr":
            said = _first_line(output["text"])
            yield Problem(f"wrote to stderr: {said}", "remove the cause of the warning")
        for text in _texts(output).values():
            if found := _ADDRESS.search(text):
                todo = "print something that is the same in every run, or end the line with `;`"
                yield Problem(f"shows a memory address ({found[0]})", todo)
    images = any(mime.startswith("image/") for mime in _mimes(cell))
    if images and "alt" not in cell.metadata:
        todo = 'add alt="…" that says what is to be seen in it'
        yield Problem("shows a figure without alt text", todo)
    if "alt" in cell.metadata and not images and cell.kind == "code":
        yield Problem("has an alt text but shows no figure", "show the figure or remove alt")


def _mimes(cell: Cell) -> list[str]:
    return [mime for output in cell.outputs for mime in output.get("data", {})]


def _texts(output: Mapping[str, Any]) -> dict[str, str]:
    """Return the text in an output by its kind, pictures left out."""
    if output["output_type"] == "stream":
        return {output["name"]: output["text"]}
    return {
        mime: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for mime, value in sorted(output.get("data", {}).items())
        if not mime.startswith("image/")
    }


def _value(cell: Cell) -> Any:
    """Return the Python literal that is the cell's only output; ValueError if there is none."""
    if len(cell.outputs) != 1 or cell.outputs[0]["output_type"] != "execute_result":
        raise ValueError
    data = cell.outputs[0].get("data", {})
    if set(data) != {"text/plain"}:
        raise ValueError
    try:
        return ast.literal_eval(data["text/plain"])
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise ValueError from None


def _claim(cell: Cell) -> tuple[Claim | None, list[Problem]]:
    try:
        measured = _value(cell)
        if not isinstance(measured, str) or not measured.strip():
            raise ValueError
    except ValueError:
        todo = "end the cell with `measured`, and print nothing"
        return None, [Problem("is a claim whose only output is not the string `measured`", todo)]
    claim = claim_of(cell.source)
    return (Claim(*claim, measured) if claim else None), []


def _results(cell: Cell) -> tuple[dict[str, int | float | str], list[Problem]]:
    todo = "end the cell with a dict of plain int, float and str: float(…), int(…)"
    try:
        value = _value(cell)
        if not isinstance(value, dict):
            raise ValueError
    except ValueError:
        what = "is a results cell whose only output is not a dict of plain numbers and strings"
        return {}, [Problem(what, todo)]
    problems = []
    for key, number in value.items():
        if not isinstance(key, str) or not key.isidentifier():
            problems.append(Problem(f"has a result whose name {key!r} is no identifier", todo))
        elif type(number) not in (int, float, str):
            problems.append(Problem(f"has a result {key} that is no int, float or str", todo))
        elif isinstance(number, float) and not math.isfinite(number):
            problems.append(Problem(f"has a result {key} that is not finite", "find out why"))
    return ({} if problems else value), problems


def _stamp(document: Mapping[str, Any]) -> tuple[Stamp, list[Problem]]:
    found = document["metadata"].get("provenance")
    if isinstance(found, dict) and _is_provenance(found):
        return Stamp(found["executed"], float(found["seconds"]), dict(found["versions"])), []
    todo = "execute the notebook with the project's runner, which stamps it"
    return Stamp("", 0.0, {}), [Problem("there is no stamp of a run (`provenance`)", todo)]


def _is_provenance(found: Mapping[str, Any]) -> bool:
    seconds, versions, inputs = (found.get(key) for key in ("seconds", "versions", "inputs"))
    return (
        _DATE.fullmatch(str(found.get("executed"))) is not None
        and isinstance(seconds, int | float)
        and not isinstance(seconds, bool)
        and 0 <= seconds < 1e9
        and isinstance(versions, dict)
        and "python" in versions
        and all(isinstance(version, str) for version in versions.values())
        and isinstance(inputs, dict)
        and sorted(inputs) == list(_INPUTS)
        and all(_SHA256.fullmatch(str(value)) for value in inputs.values())
        and _SHA256.fullmatch(str(found.get("outputs"))) is not None
    )


# ── a run against the stored one ───────────────────────────────────────────────────────────────


def compare_outputs(stored: Evidence, rerun: Evidence) -> list[Fault]:
    """List where a rerun's outputs differ from the stored ones; the faults name `stored.path`.

    Words must be equal, white space aside. Numbers must agree within 1e-6, or within the cell's
    own `tolerance` (relative, and 1e-9 absolute). Of pictures only kind and number are compared.
    Timing cells are left out.
    """
    same = [(c.id, c.kind, c.source) for c in stored.cells] == [
        (c.id, c.kind, c.source) for c in rerun.cells
    ]
    if not same:
        what = "its cells are not those of the rerun"
        return [Fault(stored.path, 0, what, "execute the notebook again")]
    faults = []
    for index, (before, after) in enumerate(zip(stored.cells, rerun.cells, strict=True)):
        tolerance = float(before.metadata.get("tolerance", TOLERANCE))
        if difference := _difference(_lasting(before), _lasting(after), tolerance):
            todo = "find out which is right; execute the notebook again, never edit an output"
            problem = Problem(f"a rerun gives something else: {difference}", todo, index)
            faults.append(_fault(stored.path, stored.cells, problem))
    return faults


def _lasting(cell: Cell) -> list[Mapping[str, Any]]:
    return [] if "timing" in cell.tags else list(cell.outputs)


def _difference(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], tolerance: float
) -> str:
    """Say in a few words how two cells' outputs differ; "" if they agree."""
    kinds = [", ".join(map(_kind, side)) or "no output" for side in (before, after)]
    if kinds[0] != kinds[1]:
        return f"{kinds[0]} stored, {kinds[1]} now"
    stored, now = ([t for o in side for t in _texts(o).values()] for side in (before, after))
    pairs = zip(stored, now, strict=True)
    return next(filter(None, (_text_difference(old, new, tolerance) for old, new in pairs)), "")


def _kind(output: Mapping[str, Any]) -> str:
    data = "+".join(sorted(output.get("data", {})))
    return f"{output['output_type']} {output.get('name', data)}"


def _text_difference(before: str, after: str, tolerance: float) -> str:
    words = [["".join(part.split()) for part in _NUMBER.split(text)] for text in (before, after)]
    if words[0] != words[1]:
        lines = zip_longest(before.splitlines(), after.splitlines(), fillvalue="")
        old, new = next(((old, new) for old, new in lines if old != new), (before, after))
        return f"{_short(old)!r} stored, {_short(new)!r} now"
    for old, new in zip(_NUMBER.findall(before), _NUMBER.findall(after), strict=True):
        if old != new and not math.isclose(float(old), float(new), rel_tol=tolerance, abs_tol=1e-9):
            return f"{old} stored, {new} now, tolerance {tolerance:g}"
    return ""


# ── the JSON of a notebook ─────────────────────────────────────────────────────────────────────


def _shape_problems(document: Any) -> Iterator[str]:
    if not isinstance(document, dict) or document.get("nbformat") != 4:
        yield "is not a notebook of nbformat 4"
        return
    if not isinstance(document.get("metadata"), dict):
        yield "has no metadata"
    cells = document.get("cells")
    if not isinstance(cells, list) or not cells:
        yield "has no cells"
        return
    for number, entry in enumerate(cells, 1):
        if not _is_cell(entry):
            yield f"cell {number} is not of nbformat 4"


def _is_cell(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.get("cell_type") in ("code", "markdown", "raw")
        and _joined(entry.get("source")) is not None
        and isinstance(entry.get("metadata"), dict)
        and (entry["cell_type"] != "code" or isinstance(entry.get("outputs"), list))
        and all(_is_output(output) for output in entry.get("outputs", ()))
    )


def _is_output(output: Any) -> bool:
    if not isinstance(output, dict):
        return False
    kind, data = output.get("output_type"), output.get("data")
    if kind == "stream":
        return isinstance(output.get("name"), str) and _joined(output.get("text")) is not None
    if kind in ("execute_result", "display_data"):
        return isinstance(data, dict) and all(
            _joined(value) is not None
            for mime, value in data.items()
            if mime.startswith(("text/", "image/"))
        )
    return kind == "error"


def _joined(value: Any) -> str | None:
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return "".join(value)
    return value if isinstance(value, str) else None


def _cell(entry: Mapping[str, Any]) -> Cell:
    tags = entry["metadata"].get("tags", [])
    listed = isinstance(tags, list)
    return Cell(
        id=str(entry.get("id")),
        kind=entry["cell_type"],
        source=_joined(entry["source"]) or "",
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if listed else (),
        metadata=entry["metadata"],
        outputs=tuple(_output(output) for output in entry.get("outputs", ())),
    )


def _output(output: Mapping[str, Any]) -> dict[str, Any]:
    joined = dict(output)
    if "text" in output:
        joined["text"] = _joined(output["text"])
    if "data" in output:
        joined["data"] = {
            mime: value if (text := _joined(value)) is None else text
            for mime, value in output["data"].items()
        }
    return joined


def _fault(path: str, cells: Sequence[Cell], problem: Problem) -> Fault:
    if problem.cell is None:
        return Fault(path, 0, problem.what, problem.todo)
    first = _short(_first_line(cells[problem.cell].source))
    return Fault(path, 0, f"cell {problem.cell + 1} ({first}): {problem.what}", problem.todo)


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
