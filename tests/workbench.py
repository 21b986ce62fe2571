"""What the tests of whole builds share: the command as a user calls it, copies, small texts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OURS = ("BRANCH", "NOTEBOOK_VIEWS", "REPO_URL", "SITE_URL", "SOURCE_DATE_EPOCH")
NOBODY = ("-c", "user.name=Nobody", "-c", "user.email=nobody@localhost")

PLAIN = """A small bank
Of two questions

1. What is a mean?
Title: Mean
Topic: Averages
Tags: averages
See also: 2

The sum divided by the count.

2. What is a median?
Title: Median
Topic: Order

The middle of the sorted values.
"""


def environment(**changes: str) -> dict[str, str]:
    """This environment without what would steer the build, and with `changes`."""
    kept = {k: v for k, v in os.environ.items() if k not in OURS and not k.startswith("GIT_")}
    return kept | changes


def command(root: Path, *arguments: str | Path) -> list[str]:
    return [sys.executable, str(root / "scripts" / "build.py"), *map(str, arguments)]


def run(arguments: list[str], at: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; a traceback is a defect, whatever was asked."""
    done = subprocess.run(
        arguments, cwd=at, env=environment(**changes), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def build(
    *arguments: str | Path, root: Path = ROOT, **changes: str
) -> subprocess.CompletedProcess[str]:
    """Call `build.py` of the project at `root`, without notebook views unless asked for."""
    return run(command(root, *arguments), root, **({"NOTEBOOK_VIEWS": "false"} | changes))


def passed(done: subprocess.CompletedProcess[str]) -> str:
    """What a command printed that went well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def refused(done: subprocess.CompletedProcess[str], *words: str) -> str:
    """What a command printed that refused its input: sentences with a place and a way out."""
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert lines and all(": " in line and "; " in line for line in lines), done.stderr
    for word in words:
        assert word in done.stderr, f"{word!r} is not in\n{done.stderr}"
    return done.stderr


def git(*arguments: str | Path, at: Path) -> str:
    done = subprocess.run(
        ["git", *map(str, arguments)],
        cwd=at,
        env=environment(GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1"),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def copy_repository(target: Path) -> Path:
    """The project as it lies here, without what git ignores, as a repository of one commit."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", at=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    git("init", "--quiet", "--initial-branch=main", at=target)
    git("add", "--all", at=target)
    git(*NOBODY, "commit", "--quiet", "--message=All there is", at=target)
    bring_scheduler(target)
    return target


def bring_scheduler(project: Path) -> None:
    """Give a copy what npm has brought in here: git ignores it, and no site is published without."""
    library = "node_modules/ts-fsrs"
    if (ROOT / library).is_dir():
        shutil.copytree(ROOT / library, project / library)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder: name → content."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path
