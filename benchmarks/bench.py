"""What the benchmarks share: input made from our notebooks, stock mkdocs-jupyter, the record."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from stages.write import write_if_changed  # noqa: E402 (the folder is named above)

RESULTS = HERE / "results.json"
STOCK = """\
site_name: Stock
site_url: {url}
theme:
  name: material
plugins:
  - search
  - mkdocs-jupyter
"""


def finished() -> list[str]:
    """The stems of the questions that have an executed notebook.

    Raises:
        SystemExit: there is none.
    """
    sources = {path.stem for path in (ROOT / "source").glob("*.txt")}
    stems = sorted(p.stem for p in (ROOT / "notebooks").glob("*.ipynb") if p.stem in sources)
    if not stems:
        sys.exit("notebooks/ holds no executed notebook; run `make notebooks`")
    return stems


def copies(count: int, folder: Path) -> tuple[Path, Path]:
    """Write `count` finished questions, copied in turn from ours; return texts and notebooks.

    Each copy of a notebook differs in its metadata, as a cache would else know it again.
    """
    texts, notebooks = folder / "source", folder / "notebooks"
    texts.mkdir()
    notebooks.mkdir()
    stems = finished()
    for number in range(1, count + 1):
        stem = stems[(number - 1) % len(stems)]
        name = f"{number:02}-{stem.partition('-')[2]}"
        text = (ROOT / "source" / f"{stem}.txt").read_text("utf-8")
        text = re.sub(r"^\d+\. ", f"{number}. ", text, count=1, flags=re.M)
        text = re.sub(r"^See also: .*\n", "", text, count=1, flags=re.M)
        (texts / f"{name}.txt").write_text(text, "utf-8")
        notebook = json.loads((ROOT / "notebooks" / f"{stem}.ipynb").read_text("utf-8"))
        notebook["metadata"]["copy"] = number
        (notebooks / f"{name}.ipynb").write_text(json.dumps(notebook), "utf-8")
    return texts, notebooks


def stock_project(folder: Path, notebooks: Path, url: str = "http://127.0.0.1/") -> Path:
    """Write a project that shows `notebooks` with stock mkdocs-jupyter; return its mkdocs.yml."""
    docs = folder / "docs"
    docs.mkdir(parents=True)
    (docs / "index.md").write_text("# Home\n", "utf-8")
    for path in sorted(notebooks.glob("*.ipynb")):
        (docs / path.name).write_bytes(path.read_bytes())
    settings = folder / "mkdocs.yml"
    settings.write_text(STOCK.format(url=url), "utf-8")
    return settings


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.is_file() else None
    return found[1] if found else platform.processor() or platform.machine()


def record(name: str, figures: Mapping[str, Any]) -> None:
    """Keep the figures of one benchmark with where, when and how they came about."""
    dirty = bool(_git("status", "--porcelain", "--untracked-files=no"))
    tools = ("mkdocs", "mkdocs-material", "mkdocs-jupyter")
    entry = {
        "commit": _git("rev-parse", "--short=12", "HEAD") + (" and later changes" if dirty else ""),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": " ".join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}, "
        f"Python {platform.python_version()}",
        "versions": {tool: version(tool) for tool in tools},
        "figures": figures,
    }
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    kept[name] = entry
    write_if_changed(RESULTS, json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
