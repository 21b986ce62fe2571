"""Pages → the static site, by a strict MkDocs build beside the old one."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.records import Fault, Refused
from stages.write import swap_folder

GENERATED = ("questions", "notebooks", "index.md", "questions.json")
_MARK = "questions.json"  # a folder that holds it is a site of ours, and may be replaced


class _Warnings(logging.Handler):
    """Keeps MkDocs' warnings, which a strict build only counts."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def commit_time(root: Path) -> str | None:
    """Seconds since 1970 of the last commit, so that two builds of it are the same bytes."""
    command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None


@contextmanager
def docs_for(root: Path, *, ours: bool) -> Iterator[Path]:
    """The folder of hand-written pages: our own, or a copy of it for another text."""
    if ours:
        yield root / "docs"
        return
    with tempfile.TemporaryDirectory(prefix="docs-") as folder:
        copy = Path(folder) / "docs"
        shutil.copytree(root / "docs", copy, ignore=_leave_generated(root / "docs"))
        yield copy


def _leave_generated(docs: Path) -> Callable[[str, list[str]], list[str]]:
    return lambda folder, names: [n for n in names if Path(folder) == docs and n in GENERATED]


def check_output(output: Path) -> None:
    """Refuse to replace a folder that is not a site of ours.

    Raises:
        Refused: `output` is a file, or a folder with other things in it.
    """
    if not output.exists() or (output / _MARK).is_file():
        return
    if not output.is_dir() or any(output.iterdir()):
        todo = "name a new folder, or one that an earlier build made"
        raise Refused([Fault(str(output), 0, "holds something other than a built site", todo)])


def build_site(
    root: Path, source: Path, notebooks: Path, output: Path, *, by_number: bool, ours: bool
) -> None:
    """Build the whole site into `output`, which is only replaced once the build has succeeded.

    Args:
        root: the project, with mkdocs.yml.
        source, notebooks: what the pages are made from.
        by_number: pair notebooks with questions by number too.
        ours: the text is the project's own; another is built in a temporary copy of docs/.

    Raises:
        Refused: faults of the text or the notebooks, or warnings of MkDocs.
    """
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort, MkDocsException

    check_output(output)
    if "SOURCE_DATE_EPOCH" not in os.environ and (when := commit_time(root)):
        os.environ["SOURCE_DATE_EPOCH"] = when
    output.parent.mkdir(parents=True, exist_ok=True)
    warnings = _Warnings()
    logging.getLogger("mkdocs").addHandler(warnings)
    beside = Path(tempfile.mkdtemp(prefix=f".{output.name}.", suffix=".part", dir=output.parent))
    try:
        with docs_for(root, ours=ours) as docs:
            config = load_config(
                str(root / "mkdocs.yml"), docs_dir=str(docs), site_dir=str(beside), strict=True
            )
            config.extra["bank"] = {
                "source": str(source.resolve()),
                "notebooks": str(notebooks.resolve()),
                "by_number": by_number,
            }
            config.plugins.on_startup(command="build", dirty=False)
            try:
                build(config)
            finally:
                config.plugins.on_shutdown()
        beside.chmod(0o755)
        swap_folder(beside, output)
    except (Abort, MkDocsException) as error:
        if isinstance(error.__cause__, Refused):
            raise error.__cause__ from None
        lines = warnings.lines or [str(error)]
        todo = "mend it; the site that was there is untouched"
        raise Refused([Fault("mkdocs.yml", 0, line, todo) for line in lines]) from None
    finally:
        logging.getLogger("mkdocs").removeHandler(warnings)
        shutil.rmtree(beside, ignore_errors=True)
