"""The notebooks themselves: executed from nothing, at the stored seed and at one nobody chose."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stages.evidence import compare_outputs, read_evidence
from stages.execute import run_notebooks
from stages.provenance import stale_notebooks

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
REQUIREMENTS = ROOT / "requirements-notebooks.txt"
STEMS = sorted(path.stem for path in NOTEBOOKS.glob("*.py"))
LARGEST = 300_000  # bytes of a stored notebook
LARGEST_DATA = 1_000_000  # bytes of a data file


def test_no_notebook_is_stale() -> None:
    assert [str(fault) for fault in stale_notebooks(NOTEBOOKS, STEMS, REQUIREMENTS)] == []


def test_stored_notebooks_are_executed_and_small() -> None:
    assert STEMS
    for stem in STEMS:
        path = NOTEBOOKS / f"{stem}.ipynb"
        assert read_evidence(path).claims, f"{path.name} claims nothing"
        assert path.stat().st_size <= LARGEST, path.name
    for path in (NOTEBOOKS / "data").rglob("*"):
        assert path.stat().st_size <= LARGEST_DATA, path.name


def test_a_run_from_nothing_gives_what_is_stored(tmp_path: Path) -> None:
    run_notebooks(NOTEBOOKS, STEMS, requirements=REQUIREMENTS, jobs=2, force=True, keep=tmp_path)
    for stem in STEMS:
        stored = read_evidence(NOTEBOOKS / f"{stem}.ipynb")
        again = read_evidence(tmp_path / f"{stem}.ipynb")
        assert [str(fault) for fault in compare_outputs(stored, again)] == []
        assert set(stored.results) == set(again.results)


def commit_seed() -> int:
    """A seed between 3 and 1000 that follows from the commit: nobody tried it while writing."""
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True)
    return 3 + int(done.stdout.strip() or "0", 16) % 998 if done.returncode == 0 else 3


def test_claims_hold_at_a_seed_that_nobody_chose(capsys: pytest.CaptureFixture[str]) -> None:
    seed = commit_seed()
    reports = run_notebooks(NOTEBOOKS, STEMS, requirements=REQUIREMENTS, jobs=2, seed=seed)
    with capsys.disabled():
        print(f" (seed {seed})", end="")
    assert [report.stem for report in reports] == STEMS
    assert all(report.claims and not report.written for report in reports)
