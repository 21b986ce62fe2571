#!/usr/bin/env python3
"""Writes results.md from results.json: no figure in it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from bench import HERE, RESULTS
from stages.write import write_if_changed

# Limits in KB (1000 bytes), and those of the build as shares of stock's CPU time.
PAGE, THEME, FIRST, SECOND = 70, 110, 180, 70
SHARES = {"ours, without views": 0.25, "ours, with views": 1.0}
_THEME_KINDS = ("style", "script", "font", "theme image")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _origin(entry: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in entry["versions"].items())
    return (
        f"`{entry['command']}` at {entry['commit']}, {entry['date']}; {entry['machine']}; "
        f"{versions}."
    )


def _page_weight(visit: Mapping[str, int]) -> int:
    return visit.get("html", 0) + visit.get("figure", 0)


def _theme_weight(visit: Mapping[str, int]) -> int:
    return sum(visit.get(kind, 0) for kind in _THEME_KINDS)


def _range(
    pages: Mapping[str, Mapping[str, Mapping[str, int]]],
    visit: str,
    weigh: Callable[[Mapping[str, int]], int],
) -> tuple[str, float]:
    """The lightest and the heaviest page in KB as text, and the heaviest."""
    weights = sorted(weigh(page[visit]) / 1000 for page in pages.values() if visit in page)
    low, high = f"{weights[0]:.1f}", f"{weights[-1]:.1f}"
    return (high if low == high else f"{low} to {high}"), weights[-1]


def weights_table(entry: Mapping[str, Any]) -> str:
    """What a browser is sent, in KB, beside the limits."""
    ours, stock = entry["figures"]["ours"], entry["figures"]["stock"]
    rows = []
    for name, visit, weigh, limit in (
        ("page: HTML and figures", "first", _page_weight, PAGE),
        ("theme, code, fonts", "first", _theme_weight, THEME),
        ("first visit, everything", "first", lambda v: v["total"], FIRST),
        ("second page, by a link", "second, follow", lambda v: v["total"], SECOND),
        ("second page, by its address", "second, load", lambda v: v["total"], SECOND),
    ):
        text, heaviest = _range(ours["pages"], visit, weigh)
        other, _ = _range(stock["pages"], visit, weigh)
        rows.append([name, text, f"≤ {limit}", "yes" if heaviest <= limit else "**no**", other])
    asked, others = ours["other_requests"], stock["other_requests"]
    hosts = f" ({', '.join(stock['other_hosts'])})" if others else ""
    kept = "**no**" if asked else "yes"
    rows.append(["requests to other hosts", str(asked), "0", kept, f"{others}{hosts}"])
    return _table(["KB as sent", "ours", "limit", "kept", "stock mkdocs-jupyter"], rows)


def kinds_table(entry: Mapping[str, Any]) -> str:
    """The first visit of each page by kind of file, in KB."""
    pages = [
        (who, path, page["first"])
        for who in ("ours", "stock")
        for path, page in sorted(entry["figures"][who]["pages"].items())
    ]
    kinds = [*sorted({kind for *_, visit in pages for kind in visit} - {"total"}), "total"]
    rows = [
        [who, f"`{path}`", *(f"{visit.get(kind, 0) / 1000:.1f}" for kind in kinds)]
        for who, path, visit in pages
    ]
    return _table(["", "first visit, KB", *kinds], rows)


def build_table(entry: Mapping[str, Any]) -> str:
    """CPU seconds of building, medians and ranges, beside the goals."""
    figures = entry["figures"]
    rows = []
    for way, seconds in sorted(figures["cpu_seconds"].items(), key=lambda way: min(way[1])):
        share = figures["ratios_to_stock"].get(way, 1.0)
        goal = SHARES.get(way)
        kept = "" if goal is None else "yes" if share < goal else "**no**"
        rows.append(
            [
                way,
                f"{figures['medians'][way]:.2f}",
                f"{min(seconds):.2f} to {max(seconds):.2f}",
                f"{share:.2f}",
                "" if goal is None else f"< {goal:g}",
                kept,
            ]
        )
    head = [f"{figures['pages']} finished pages", "CPU s, median", "range", "share of stock"]
    return _table([*head, "goal", "kept"], rows)


def tables(results: Mapping[str, Any]) -> str:
    """The Markdown of results.md."""
    parts = ["# Results", "Written by `python benchmarks/tables.py` from `results.json`."]
    if entry := results.get("weights"):
        parts += ["## Weights", _origin(entry), weights_table(entry), kinds_table(entry)]
    if entry := results.get("build_time"):
        parts += ["## Time to build", _origin(entry), build_table(entry)]
    return "\n\n".join(parts) + "\n"


def write_tables() -> None:
    """Bring results.md up to date with results.json."""
    write_if_changed(HERE / "results.md", tables(json.loads(RESULTS.read_text("utf-8"))))


if __name__ == "__main__":
    write_tables()
