"""Writing: beside, then rename, so that a killed run leaves what was there before."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from stages.records import Fault, Refused

_CREATED_MODE = 0o666
LISTING = ".generated"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_if_changed(path: Path, content: bytes | str) -> bool:
    """Write `content` to `path` unless it is there already; return whether it was written.

    The content goes to a temporary file in the same folder, which is then renamed: a reader, or
    a killed run, sees either the old file or the new one. Leaving unchanged files alone keeps a
    serving site from rebuilding for nothing.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        if path.read_bytes() == data:
            return False
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), _CREATED_MODE & ~_umask())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return True


def written_before(folder: Path) -> list[str]:
    """What an earlier `write_tree` has written into `folder`: relative posix paths."""
    listing = folder / LISTING
    listed = listing.read_text("utf-8", "replace") if listing.is_file() else ""
    return listed.replace("\0", "").splitlines()


def write_tree(folder: Path, files: Mapping[str, bytes]) -> list[str]:
    """Bring `files` (relative posix path → content) into `folder`; return what changed.

    Files that an earlier call wrote and this one does not name are removed, with the folders this
    empties. A list of its own (`.generated`) tells them from files of the user's, which stay.

    Raises:
        Refused: a file of the user's stands where one of `files` should go; nothing is written.
    """
    listing = folder / LISTING
    before = written_before(folder)
    foreign = sorted(
        name
        for name, data in files.items()
        if name not in before and (folder / name).is_file() and (folder / name).read_bytes() != data
    )
    if foreign:
        todo = "name another folder, or move the file away"
        what = "is there already, and no earlier build wrote it"
        raise Refused([Fault(str(folder / name), 0, what, todo) for name in foreign])
    # The new names are listed before they are written: a killed run leaves nothing unlisted.
    write_if_changed(listing, "\n".join(sorted({*before, *files})) + "\n")
    changed = [name for name, data in files.items() if write_if_changed(folder / name, data)]
    for name in set(before) - set(files):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            continue
        if path.is_file():
            path.unlink()
            changed.append(name)
        for parent in path.parents:
            if parent == folder or not parent.is_dir() or any(parent.iterdir()):
                break
            parent.rmdir()
    write_if_changed(listing, "\n".join(sorted(files)) + "\n")
    return changed


def swap_folder(new: Path, target: Path) -> None:
    """Put the finished folder `new` in the place of `target`, with two renames.

    `new` lies beside `target`, on the same file system. If the second rename fails, the first is
    taken back, so that `target` never stays away.
    """
    old = target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        old.rename(target)  # a run was killed between its two renames
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
