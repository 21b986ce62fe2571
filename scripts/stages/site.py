"""Pages → the static site, by a strict MkDocs build beside the old one."""

from __future__ import annotations

import fcntl
import itertools
import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from stages.policy import write_policy
from stages.records import Fault, Refused
from stages.write import swap_folder, written_before

GENERATED = ("questions", "notebooks")  # folders; what is listed there in LISTING too
_MARKS = ("404.html", "index.html", "questions.json")  # a folder with these is a site of ours


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


def copy_docs(docs: Path, copy: Path) -> Path:
    """Copy the hand-written pages and the look, and nothing that a build has put there."""

    generated = {*GENERATED, *written_before(docs)}

    def left_out(folder: str, names: list[str]) -> list[str]:
        made = generated if Path(folder) == docs else ()
        return [name for name in names if name in made or name.startswith(".")]

    return Path(shutil.copytree(docs, copy, ignore=left_out))


def check_output(output: Path) -> None:
    """Refuse to replace a folder that is not a site of ours.

    Raises:
        Refused: `output` is a file, or a folder with other things in it.
    """
    if not output.exists():
        return
    for name in (".git", "CNAME"):  # a clone of a published branch, say
        if (output / name).exists():
            what = f"holds {name}, which a build would remove"
            raise Refused([Fault(str(output), 0, what, "name another folder")])
    if all((output / name).is_file() for name in _MARKS):
        return
    if not output.is_dir() or any(output.iterdir()):
        todo = "name a new folder, or one that an earlier build made"
        raise Refused([Fault(str(output), 0, "holds something other than a built site", todo)])


def refusal(error: Exception, warnings: Sequence[str] = ()) -> Exception:
    """What stopped a build of MkDocs, as the command tells it: the hook's own fault, if any."""
    if isinstance(error.__cause__, Refused | OSError):
        return error.__cause__
    faults = []
    for line in warnings or [str(error)]:
        page = re.match(r"Doc file '([^']+)' (.*)", line, re.DOTALL)
        path, what = (f"docs/{page[1]}", page[2]) if page else ("mkdocs.yml", line)
        faults.append(Fault(path, 0, " ".join(what.split()).rstrip(".!"), "mend it"))
    return Refused(faults)


@contextmanager
def _locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold a folder against other builds; the lock goes with the process, however that ends.

    Raises:
        BlockingIOError: another build holds it, and `wait` is false.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextmanager
def _workplace(output: Path) -> Iterator[Path]:
    """A new folder beside `output`, gone at the end; what killed builds left goes too."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with _locked(output.parent):
            for left in output.parent.iterdir():
                if left.name.startswith(f".{output.name}.") and left.suffix == ".part":
                    # Another build holds it, or has just removed it.
                    with suppress(OSError), _locked(left, wait=False):
                        shutil.rmtree(left, ignore_errors=True)
            prefix = f".{output.name}."
            place = Path(tempfile.mkdtemp(prefix=prefix, suffix=".part", dir=output.parent))
            held.callback(shutil.rmtree, place, ignore_errors=True)
            held.enter_context(_locked(place))
        yield place


def plugins_switched_on(settings: Path) -> list[Any] | None:
    """The plugins that a `mkdocs.yml` lists without those that it switches off; None: as it says.

    MkDocs imports also what is switched off, and to import mkdocs-jupyter takes half a second.
    """
    from mkdocs.utils.yaml import yaml_load

    try:
        with settings.open("rb") as file:
            listed = yaml_load(file).get("plugins")
    except (OSError, yaml.YAMLError, AttributeError):
        return None  # MkDocs itself says what is wrong with it
    if not isinstance(listed, list):
        return None
    options = [next(iter(p.values())) if isinstance(p, dict) and p else None for p in listed]
    wanted = [not isinstance(o, dict) or o.get("enabled", True) is not False for o in options]
    return list(itertools.compress(listed, wanted))


def build_site(root: Path, source: Path, notebooks: Path, output: Path, *, by_number: bool) -> None:
    """Build the whole site into `output`, which is only replaced once the build has succeeded.

    It is built in a folder of its own, with a copy of docs/: another build, or a serving one, may
    run at the same time, with another text or other settings.

    Args:
        root: the project, with mkdocs.yml.
        source, notebooks: what the pages are made from.
        by_number: pair notebooks with questions by number too.

    Raises:
        Refused: faults of the text or the notebooks, or warnings of MkDocs.
        OSError: a file cannot be read or written.
    """
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort, MkDocsException

    output = output.resolve()  # behind a link, the site is replaced and the link stays
    check_output(output)
    if "SOURCE_DATE_EPOCH" not in os.environ and (when := commit_time(root)):
        os.environ["SOURCE_DATE_EPOCH"] = when
    warnings = _Warnings()
    logging.getLogger("mkdocs").addHandler(warnings)
    try:
        with _workplace(output) as place:
            docs, site = copy_docs(root / "docs", place / "docs"), place / "site"
            another = source.resolve() != (root / "source").resolve()
            if another:  # what is written by hand speaks of this repository's text, and its licence
                for page in docs.glob("*.md"):
                    page.unlink()
            settings = root / "mkdocs.yml"
            config = load_config(
                str(settings),
                docs_dir=str(docs),
                site_dir=str(site),
                strict=True,
                plugins=plugins_switched_on(settings),
                **({"copyright": None} if another else {}),
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
            write_policy(site)
            with _locked(output.parent):
                swap_folder(site, output)
    except (Abort, MkDocsException) as error:
        raise refusal(error, warnings.lines) from None
    finally:
        logging.getLogger("mkdocs").removeHandler(warnings)
