"""The benchmarks' tables say what their results say."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])


def test_no_figure_of_the_tables_is_typed() -> None:
    from tables import tables

    results = json.loads((BENCHMARKS / "results.json").read_text("utf-8"))
    assert (BENCHMARKS / "results.md").read_text("utf-8") == tables(results)


def test_a_figure_over_its_limit_is_said_to_be() -> None:
    from tables import weights_table

    light = {"html": 69_000, "total": 69_000}
    heavy = {"html": 71_000, "total": 71_000}

    def entry(visit: dict[str, int]) -> dict[str, object]:
        page = {"first": visit, "second, follow": visit, "second, load": visit}
        who = {"pages": {"a/": page}, "other_requests": 0, "other_hosts": []}
        return {"figures": {"ours": who, "stock": who}}

    assert "**no**" not in weights_table(entry(light))
    assert weights_table(entry(heavy)).count("**no**") == 3


def test_each_way_to_build_is_held_to_its_own_goal() -> None:
    from tables import build_table

    seconds = {"ours, with views": [9.0], "ours, without views": [3.0], "stock": [10.0]}
    figures = {
        "pages": 25,
        "cpu_seconds": seconds,
        "medians": {way: values[0] for way, values in seconds.items()},
        "ratios_to_stock": {"ours, with views": 0.9, "ours, without views": 0.3},
    }
    table = build_table({"figures": figures})
    assert "| 0.30 | < 0.25 | **no** |" in table
    assert "| 0.90 | < 1 | yes |" in table


def test_copies_differ_and_build(tmp_path: Path) -> None:
    from bench import copies
    from stages.pages import assemble

    texts, notebooks = copies(4, tmp_path)
    made = assemble(texts, notebooks)
    assert len(made.evidence) == len(made.pages) == 4
    assert len({path.read_bytes() for path in notebooks.glob("*.ipynb")}) == 4
