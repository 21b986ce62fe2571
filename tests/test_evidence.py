"""Reading executed notebooks, and comparing a rerun with what is stored."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.evidence import claim_of, compare_outputs, fingerprint, read_evidence
from stages.records import Evidence, Refused

CLAIM = "# claim sums-agree: The two sums agree\n#   to the last digit.\nmeasured = 'gap 0.0'\nassert True, measured\nmeasured"


def code(source: str, count: int, *outputs: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "cell_type": "code", "id": f"cell-{count}", "source": source.splitlines(keepends=True),
        "metadata": metadata, "outputs": list(outputs), "execution_count": count,
    }  # fmt: skip


def result(text: str, count: int) -> dict[str, Any]:
    return {
        "output_type": "execute_result", "data": {"text/plain": text}, "metadata": {},
        "execution_count": count,
    }  # fmt: skip


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text.splitlines(keepends=True)}


def picture(mime: str = "image/svg+xml", data: str = "<svg/>") -> dict[str, Any]:
    return {
        "output_type": "display_data",
        "data": {mime: data, "text/plain": "<Figure>"},
        "metadata": {},
    }


def good() -> dict[str, Any]:
    """A sound notebook: parameters, print, claim, figure, results, timing (cells 1 to 6)."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "provenance": {
                "executed": "2026-01-02",
                "inputs": dict.fromkeys(("code", "data", "versions"), "0" * 64),
                "outputs": "0" * 64,
                "seconds": 1.5,
                "versions": {"python": "3.11.7"},
            }
        },
        "cells": [
            {"cell_type": "markdown", "id": "top", "source": "# Sums", "metadata": {}},
            code("SEED = 0\nTHREADS = 1", 1, tags=["parameters"]),
            code("print(1.5)", 2, stream("loss 1.5\nsteps 20\n")),
            code(CLAIM, 3, result("'gap 0.0'", 3), tags=["claim"], falsify="total = 0"),
            code("draw()", 4, picture(), alt="The gap falls to zero after ten steps."),
            code(
                "results", 5, result("{'gap': 0.25,\n 'n': 3, 'who': 'Adam'}", 5), tags=["results"]
            ),
            code("clock()", 6, stream("0.3 s\n"), tags=["timing"]),
        ],
    }


def read(document: Any, folder: Path, name: str = "01-sums.ipynb") -> Evidence:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    return read_evidence(path, "notebooks/01-sums.ipynb")


def refusal(document: Any, folder: Path) -> str:
    with pytest.raises(Refused) as refused:
        read(document, folder)
    assert all(fault.path == "notebooks/01-sums.ipynb" for fault in refused.value.faults)
    assert all(fault.todo for fault in refused.value.faults)
    return str(refused.value)


def test_sound_notebook_gives_its_claims_results_and_stamp(tmp_path: Path) -> None:
    evidence = read(good(), tmp_path)
    assert [(c.slug, c.text, c.measured) for c in evidence.claims] == [
        ("sums-agree", "The two sums agree to the last digit.", "gap 0.0")
    ]
    assert evidence.results == {"gap": 0.25, "n": 3, "who": "Adam"}
    assert (evidence.stamp.executed, evidence.stamp.seconds) == ("2026-01-02", 1.5)
    assert evidence.stem == "01-sums"
    assert evidence.cells[2].outputs[0]["text"] == "loss 1.5\nsteps 20\n"
    assert evidence.cells[4].metadata["alt"].startswith("The gap")


def test_reading_evidence_needs_the_standard_library_only() -> None:
    script = "import sys, stages.evidence, stages.provenance; print(*sys.modules)"
    scripts = Path(__file__).parents[1] / "scripts"
    done = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.append({str(scripts)!r}); {script}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    foreign = {name.split(".")[0] for name in done.stdout.split()} - set(sys.stdlib_module_names)
    assert not foreign & {"torch", "numpy", "nbformat", "jupytext", "nbclient"}


Change = Callable[[dict[str, Any]], Any]


def cell(index: int, **fields: Any) -> Change:
    return lambda document: document["cells"][index].update(fields)


def metadata(index: int, **fields: Any) -> Change:
    return lambda document: document["cells"][index]["metadata"].update(fields)


def without(index: int, key: str) -> Change:
    return lambda document: document["cells"][index]["metadata"].pop(key)


def add(index: int) -> Change:
    return lambda document: document["cells"].append(copy.deepcopy(document["cells"][index]))


def stamp(**fields: Any) -> Change:
    return lambda document: document["metadata"]["provenance"].update(fields)


FAULTS: list[tuple[Change, str]] = [
    (cell(2, execution_count=None), "cell 3 (print(1.5)): was not executed"),
    (cell(2, execution_count=7), "was executed as number 7, not 2"),
    (cell(2, outputs=[{"output_type": "error", "ename": "E", "evalue": "no\nmore", "traceback": []}]), "raised E: no"),
    (cell(2, outputs=[stream("a warning\n", "stderr")]), "wrote to stderr: a warning"),
    (cell(2, outputs=[stream("<Net object at 0x7f12ab34cd50>\n")]), "shows a memory address"),
    (cell(2, outputs=[picture()]), "shows a figure without alt text"),
    (cell(4, outputs=[]), "has an alt text but shows no figure"),
    (cell(2, source="%matplotlib inline"), "is not Python"),
    (without(1, "tags"), "the first code cell is not tagged `parameters`"),
    (cell(1, source="SEED = 1"), "does not set `SEED = 0`"),
    (cell(1, source="SEED = False"), "does not set `SEED = 0`"),
    (metadata(2, tags=["parameters"]), "is a second cell tagged `parameters`"),
    (cell(3, source=CLAIM.replace("sums-agree", "Sums_agree")), "does not begin with a claim"),
    (cell(3, source=CLAIM.replace("sums-agree", "s" * 59)), "does not begin with a claim"),
    (cell(3, source=CLAIM.replace("assert True", "print(0)")), "is a claim without an assert"),
    (without(3, "falsify"), "is a claim without a counterfactual"),
    (metadata(3, falsify="total ="), "has a falsify that is not Python"),
    (without(3, "tags"), "reads like a claim, but is not tagged"),
    (cell(3, outputs=[]), "whose only output is not the string `measured`"),
    (cell(3, outputs=[result("0.5", 3)]), "whose only output is not the string `measured`"),
    (cell(3, outputs=[stream("x\n"), result("'x'", 3)]), "whose only output is not the string"),
    (cell(3, outputs=[result("None if", 3)]), "whose only output is not the string `measured`"),
    (add(3), "claim sums-agree is already on this page"),
    (add(5), "is a second results cell"),
    (cell(5, outputs=[result("[1]", 5)]), "whose only output is not a dict"),
    (cell(5, outputs=[result("{'a': np.float64(0.3)}", 5)]), "whose only output is not a dict"),
    (cell(5, outputs=[result("{'a': nan}", 5)]), "whose only output is not a dict"),
    (cell(5, outputs=[result("{'a': 1e999}", 5)]), "has a result a that is not finite"),
    (cell(5, outputs=[result("{'a': True}", 5)]), "has a result a that is no int, float or str"),
    (cell(5, outputs=[result("{'a-b': 1}", 5)]), "has a result whose name 'a-b' is no identifier"),
    (metadata(4, alt=""), "alt text that says nothing"),
    (metadata(4, alt="A line plot."), "alt text that says nothing"),
    (metadata(4, alt=3), "has a alt that is no string"),
    (metadata(2, captoin="x"), "has unknown metadata 'captoin'; write caption"),
    (metadata(2, tags=["tming"]), "has the unknown tag 'tming'; write 'timing'"),
    (metadata(2, tags="timing"), "has tags that are no list of strings"),
    (metadata(2, tolerance=0), "has a tolerance that is no positive number"),
    (cell(2, id="top"), "shares its cell id 'top' with another"),
    (lambda document: document["cells"][2].pop("id"), "has no proper cell id"),
    (lambda document: document["metadata"].clear(), "there is no stamp of a run"),
    (stamp(executed="yesterday"), "there is no stamp of a run"),
    (stamp(seconds=-1), "there is no stamp of a run"),
    (stamp(inputs={}), "there is no stamp of a run"),
    (stamp(versions={"torch": "2"}), "there is no stamp of a run"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "words"), FAULTS, ids=[words for _, words in FAULTS])
def test_each_fault_of_form_is_refused(change: Change, words: str, tmp_path: Path) -> None:
    document = good()
    change(document)
    assert words in refusal(document, tmp_path)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    document = good()
    cell(2, execution_count=None)(document)
    metadata(4, alt="plot")(document)
    document["metadata"].clear()
    assert len(refusal(document, tmp_path).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "cannot be read as a notebook"),
        ("{", "cannot be read as a notebook"),
        ("[" * 100_000, "cannot be read as a notebook"),
        ('{"nbformat": 4, "metadata": {}, "cells": ["\\ud800"]}', "cannot be read as a notebook"),
        ("[]", "is not a notebook of nbformat 4"),
        ('{"nbformat": 3}', "is not a notebook of nbformat 4"),
        ('{"nbformat": 4, "metadata": {}}', "has no cells"),
        ('{"nbformat": 4, "cells": [1]}', "has no metadata"),
        ('{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code"}]}', "cell 1 is not of nbformat 4"),
        ('{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "source": "", "metadata": {}, "outputs": [1]}]}', "cell 1 is not of nbformat 4"),
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_refused(content: str, words: str, tmp_path: Path) -> None:
    assert words in refusal(content, tmp_path)


def test_missing_and_undecodable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no executed notebook"):
        read_evidence(tmp_path / "none.ipynb")
    (tmp_path / "bytes.ipynb").write_bytes(b"\xff\xfe{}")
    with pytest.raises(Refused, match="cannot be read as a notebook"):
        read_evidence(tmp_path / "bytes.ipynb")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("# claim a-b: One.", ("a-b", "One.")),
        ("# claim a: One\n#   two.\n# not\nx", ("a", "One two.")),
        ("# claim a:One.", None),
        ("# claim a-: One.", None),
        ("#claim a: One.", None),
        ("x = 1", None),
    ],
)
def test_a_claim_is_taken_from_its_comment(source: str, expected: tuple[str, str] | None) -> None:
    assert claim_of(source) == expected


# ── a rerun ────────────────────────────────────────────────────────────────────────────────────


def changed(change: Change, folder: Path) -> Evidence:
    document = good()
    change(document)
    return read(document, folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (cell(2, outputs=[stream("loss 1.51\nsteps 20\n")]), "1.5 stored, 1.51 now"),
        (cell(2, outputs=[stream("loss 1.5\nstages 20\n")]), "'steps 20' stored, 'stages 20' now"),
        (cell(2, outputs=[stream("loss 1.5\n")]), "'steps 20' stored, '' now"),
        (cell(2, outputs=[]), "stream stdout stored, no output now"),
        (cell(3, outputs=[result("'gap 0.1'", 3)]), "0.0 stored, 0.1 now"),
        (cell(5, outputs=[result("{'gap': 0.25, 'n': 4, 'who': 'Adam'}", 5)]), "3 stored, 4 now"),
        (cell(4, outputs=[picture("image/png", "iVBO")]), "image/svg+xml+text/plain stored, display_data image/png"),
        (cell(2, source="print(1.50)"), "its cells are not those of the rerun"),
    ],
)  # fmt: skip
def test_a_rerun_that_gives_something_else_is_told(
    change: Change, words: str, tmp_path: Path
) -> None:
    (fault,) = compare_outputs(read(good(), tmp_path), changed(change, tmp_path))
    assert words in fault.what
    assert fault.path == "notebooks/01-sums.ipynb"


@pytest.mark.parametrize(
    "change",
    [
        lambda document: None,
        cell(2, outputs=[stream("loss  1.5000001\nsteps 20\n")]),
        cell(4, outputs=[picture(data="<svg>other</svg>")]),
        cell(6, outputs=[stream("0.9 s\n")]),
        cell(3, outputs=[result("'gap -1e-12'", 3)]),
    ],
)
def test_a_rerun_may_differ_in_rounding_pictures_and_times(change: Change, tmp_path: Path) -> None:
    assert compare_outputs(read(good(), tmp_path), changed(change, tmp_path)) == []


def test_a_cell_may_state_its_tolerance(tmp_path: Path) -> None:
    stored = changed(metadata(2, tolerance=0.05), tmp_path)
    near, far = (
        changed(cell(2, outputs=[stream(f"loss {loss}\nsteps 20\n")]), tmp_path)
        for loss in (1.45, 1.3)
    )
    assert compare_outputs(stored, near) == []
    assert len(compare_outputs(stored, far)) == 1


def test_the_fingerprint_leaves_out_times_only(tmp_path: Path) -> None:
    first = fingerprint(read(good(), tmp_path).cells)
    assert fingerprint(changed(cell(6, outputs=[]), tmp_path).cells) == first
    for change in (
        cell(2, outputs=[stream("loss 1.6\nsteps 20\n")]),
        cell(2, id="other"),
        cell(2, source="print(2)"),
        metadata(4, alt="Something else falls."),
    ):
        assert fingerprint(changed(change, tmp_path).cells) != first
