#!/usr/bin/env python3
"""CPU time of building 25 finished pages, ours beside stock mkdocs-jupyter, in the same run."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import ROOT, copies, record, stock_project
from tables import write_tables

PAGES = 25
PLAIN, VIEWS, STOCK = "ours, without views", "ours, with views", "stock mkdocs-jupyter"


def cpu_seconds(command: list[str], environment: Mapping[str, str]) -> float:
    """User and system seconds of a command and its children, run in an empty folder.

    The folder is new each time, so that no cache of an earlier run is found.

    Raises:
        SystemExit: the command failed.
    """
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            cwd=empty,
            env={**os.environ, **environment},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)} failed:\n{said.read().decode()}")
    return used.ru_utime + used.ru_stime


def measure(rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each way to build, one value a round; the ways take turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts, notebooks = copies(PAGES, folder)
        settings = stock_project(folder / "stock", notebooks)
        python = sys.executable
        ours = [python, str(ROOT / "scripts" / "build.py"), "site", "--source", str(texts)]
        ours += ["--notebooks", str(notebooks), "--output", str(folder / "site")]
        stock = [python, "-m", "mkdocs", "build", "--quiet", "--config-file", str(settings)]
        ways = {
            PLAIN: (ours, {"NOTEBOOK_VIEWS": "false"}),
            VIEWS: (ours, {"NOTEBOOK_VIEWS": "true"}),
            STOCK: (stock, {}),
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for number in range(rounds + 1):
            for way, (command, environment) in ways.items():
                used = cpu_seconds(command, environment)
                print(f"round {number or 'of warming up'}: {used:6.2f} s  {way}", flush=True)
                if number:
                    seconds[way].append(round(used, 3))
    return seconds


def main() -> None:
    """Measure and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    seconds = measure(rounds)
    medians = {way: round(statistics.median(values), 2) for way, values in seconds.items()}
    ratios = {way: round(medians[way] / medians[STOCK], 3) for way in (PLAIN, VIEWS)}
    record(
        "build_time",
        {"pages": PAGES, "cpu_seconds": seconds, "medians": medians, "ratios_to_stock": ratios},
    )
    write_tables()


if __name__ == "__main__":
    main()
