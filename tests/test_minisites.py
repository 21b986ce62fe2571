"""Small sites, built as a user builds them: a good one, and for each gate one that must fail."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stages.evidence import compare_outputs, fingerprint, inspect_document, read_evidence
from stages.execute import run_notebooks
from workbench import ROOT, build, passed, refused, tree, write

STEM = "01-what-is-a-mean"
TEXT = """A small bank

1. What is a mean?
Title: Mean
Topic: Averages
See also: 2

The sum divided by the count. Here it was {{mean:.1f}} [#mean-is-two], as defined [@pythagoras1900].

## In depth

It balances the numbers around it: see [the median](02-median.md#short-answer).

## References

- [pythagoras1900] Pythagoras (1900). On means. https://example.org/means

2. What is a median?
Title: Median
Topic: Averages

The middle of the sorted values.
"""
NOTEBOOK = """# %% [markdown]
# # Mean
#
# Three numbers and their mean.

# %% tags=["parameters"]
SEED = 0
THREADS = 1
SITE = ""

# %% [markdown]
# The numbers, drawn as bars.

# %% alt="Three bars, each one taller than the one before" caption="The numbers grow."
from IPython.display import SVG

numbers = [1.0, 2.0, 3.0]
bars = "".join(f'<rect x="{20 * n}" y="0" width="10" height="{9 * n}"/>' for n in numbers)
SVG(f'<svg xmlns="http://www.w3.org/2000/svg" width="90" height="30">{bars}</svg>')

# %% [markdown]
# Their sum, divided by their count.

# %%
mean = sum(numbers) / len(numbers)
print(f"mean {mean:.3f}")

# %% [markdown]
# What is claimed of it.

# %% tags=["claim"] falsify="mean = mean + 1"
# claim mean-is-two: The mean of one, two and three is two.
measured = f"mean {mean:.2f}"
assert mean == 2, measured
measured

# %% [markdown]
# What the text may quote.

# %% tags=["results"]
{"mean": mean}
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with text, executed notebook and finished site, every one by the command."""
    folder = tmp_path_factory.mktemp("good")
    write(folder / "source", f"{STEM}.txt", TEXT.split("\n2. ")[0])
    write(folder / "source", "02-median.txt", "2. " + TEXT.split("\n2. ")[1])
    write(folder / "notebooks", f"{STEM}.py", NOTEBOOK)
    said = passed(build("notebooks", "--notebooks", folder / "notebooks"))
    assert f"{STEM}: " in said and "1 claims, written" in said
    passed(site(folder))
    return folder


def site(folder: Path) -> Any:
    return build(
        *("site", "--source", folder / "source", "--notebooks", folder / "notebooks"),
        *("--output", folder / "site"),
    )


@pytest.fixture
def mini(good: Path, tmp_path: Path) -> Path:
    """A copy of the good one, to spoil."""
    return Path(shutil.copytree(good, tmp_path / "mini"))


def stored(folder: Path) -> Path:
    return folder / "notebooks" / f"{STEM}.ipynb"


def change_notebook(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the cells of the stored notebook by hand."""
    document = json.loads(stored(folder).read_text("utf-8"))
    change(document["cells"])
    stored(folder).write_text(json.dumps(document), "utf-8")


def printing(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """The cell that prints."""
    return next(cell for cell in cells if "print(" in "".join(cell["source"]))


def check_refused(folder: Path, *words: str) -> None:
    """Building the site is refused in these words, and the site that was there stays."""
    before = tree(folder / "site")
    refused(site(folder), *words)
    assert tree(folder / "site") == before
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


# ── the good one ───────────────────────────────────────────────────────────────────────────────


def test_a_good_one_passes_every_gate(good: Path) -> None:
    assert "passes every gate" in passed(build("check", good / "site"))
    said = passed(build("notebooks", "--check", "--notebooks", good / "notebooks"))
    assert "up to date" in said
    html = (good / "site" / "questions" / STEM / "index.html").read_text("utf-8")
    assert "Here it was 2.0" in html
    assert 'id="claim-mean-is-two"' in html
    assert 'alt="Three bars, each one taller than the one before"' in html
    assert "mean 2.000" in html
    (entry, other) = json.loads((good / "site" / "questions.json").read_text("utf-8"))["questions"]
    assert entry["claims"][0]["measured"] == "mean 2.00"
    assert other["notebook"] is None


def test_a_notebook_found_by_its_number_is_told(mini: Path) -> None:
    for ending in ("py", "ipynb"):
        path = mini / "notebooks" / f"{STEM}.{ending}"
        path.rename(path.with_stem("1-averages"))
    said = passed(site(mini))
    assert f"1-averages.ipynb joins the page {STEM}" in said


# ── the text ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("{{mean:.1f}}", "{{maen:.1f}}", [f"{STEM}.txt:8:", "maen"]),
        ("[#mean-is-two]", "[#mean-is-too]", [f"{STEM}.txt:8:", "mean-is-too", "mean-is-two"]),
        ("[@pythagoras1900]", "[@pythagoras1901]", [f"{STEM}.txt:8:", "pythagoras1901"]),
        ("See also: 2", "See also: 7", [f"{STEM}.txt:6:", "7"]),
        ("divided by the count.", "divided by the count, 2.0.", [f"{STEM}.txt:8:", "2.0"]),
        ("(02-median.md#short-answer)", "(02-medium.md)", [STEM, "02-medium.md"]),
        ("(02-median.md#short-answer)", "(02-median.md#long-answer)", [STEM, "#long-answer"]),
    ],
    ids=["number", "claim", "reference", "see also", "typed number", "link", "anchor"],
)
def test_a_text_is_refused(mini: Path, old: str, new: str, words: list[str]) -> None:
    path = mini / "source" / f"{STEM}.txt"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    check_refused(mini, *words)


# ── the notebook ───────────────────────────────────────────────────────────────────────────────


def test_a_figure_without_alt_text_is_refused(mini: Path) -> None:
    change_notebook(
        mini, lambda cells: [cell["metadata"].pop("alt", "") for cell in cells] and None
    )
    check_refused(mini, f"{STEM}.ipynb", "without alt text", "alt=")


def test_an_error_in_an_output_is_refused(mini: Path) -> None:
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no", "traceback": []}
    change_notebook(mini, lambda cells: printing(cells)["outputs"].append(error))
    check_refused(mini, f"{STEM}.ipynb", "ValueError: no", "mend the cell")


def test_standard_error_in_an_output_is_refused(mini: Path) -> None:
    said = {"output_type": "stream", "name": "stderr", "text": "UserWarning: beware"}
    change_notebook(mini, lambda cells: printing(cells)["outputs"].append(said))
    check_refused(mini, f"{STEM}.ipynb", "stderr", "UserWarning: beware")


def test_a_stale_notebook_is_told(mini: Path) -> None:
    path = mini / "notebooks" / f"{STEM}.py"
    path.write_text(NOTEBOOK.replace("numbers grow", "numbers rise"), "utf-8")
    before = tree(mini)
    done = build("notebooks", "--check", "--notebooks", mini / "notebooks")
    refused(done, f"{STEM}.ipynb", "before its text changed", f"notebooks {STEM}")
    assert tree(mini) == before


def test_a_number_changed_by_hand_is_told(mini: Path) -> None:
    change_notebook(mini, lambda cells: spoil(printing(cells)))
    done = build("notebooks", "--check", "--notebooks", mini / "notebooks")
    refused(done, f"{STEM}.ipynb", "changed by hand", f"notebooks {STEM}")


def spoil(cell: dict[str, Any]) -> None:
    cell["outputs"][0]["text"] = re.sub(r"2\.000", "2.001", "".join(cell["outputs"][0]["text"]))


def test_a_number_changed_with_its_hash_does_not_survive_a_rerun(
    mini: Path, tmp_path: Path
) -> None:
    change_notebook(mini, lambda cells: spoil(printing(cells)))
    document = json.loads(stored(mini).read_text("utf-8"))
    evidence, _ = inspect_document(document, STEM, "")
    document["metadata"]["provenance"]["outputs"] = fingerprint(evidence.cells)
    stored(mini).write_text(json.dumps(document), "utf-8")
    passed(build("notebooks", "--check", "--notebooks", mini / "notebooks"))
    again = tmp_path / "again"
    again.mkdir()
    requirements = ROOT / "requirements-notebooks.txt"
    run_notebooks(mini / "notebooks", [STEM], requirements=requirements, jobs=1, keep=again)
    faults = compare_outputs(read_evidence(stored(mini)), read_evidence(again / f"{STEM}.ipynb"))
    assert len(faults) == 1
    assert "2.001 stored, 2.000 now" in str(faults[0])


def test_false_claims_and_claims_that_survive_are_refused(mini: Path) -> None:
    """One run for both, each in a notebook of its own, beside a good one that is stored."""
    folder = mini / "notebooks"
    shutil.move(folder / f"{STEM}.py", folder / "03-good.py")
    stored(mini).unlink()
    write(folder, "01-false.py", NOTEBOOK.replace("mean == 2", "mean == 3"))
    write(folder, "02-survives.py", NOTEBOOK.replace("mean = mean + 1", "mean = mean + 0"))
    done = build("notebooks", "--notebooks", folder, "--jobs", "2")
    refused(done, "01-false.py:", "mean-is-two, which is false: mean 2.00")
    refused(done, "02-survives.py:", "mean-is-two, which survives its counterfactual")
    assert len(done.stderr.splitlines()) == 2
    assert [path.name for path in folder.glob("*.ipynb")] == ["03-good.ipynb"]


# ── the built site ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (r'href="\.\./02-median/"', 'href="../02-medium/"', ["02-medium", "leads to"]),
        (r'href="#claim-mean-is-two"', 'href="#claim-mean"', ["claim-mean"]),
        (r' alt="Three[^"]*"', "", ["no alt text"]),
        (r"mean 2\.000", "Traceback (most recent call last)", ["traceback"]),
    ],
    ids=["link", "anchor", "alt text", "traceback"],
)
def test_the_gates_see_the_built_page(mini: Path, old: str, new: str, words: list[str]) -> None:
    path = mini / "site" / "questions" / STEM / "index.html"
    html = path.read_text("utf-8")
    assert re.search(old, html)
    path.write_text(re.sub(old, new, html), "utf-8")
    refused(build("check", mini / "site"), f"questions/{STEM}/index.html:", *words)


def test_check_of_something_else_is_refused(tmp_path: Path) -> None:
    refused(build("check", tmp_path), str(tmp_path), "not a built site", "verb 'site'")
    refused(build("check", tmp_path / "none"), "not a built site")
