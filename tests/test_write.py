"""Writing: beside, then renamed; what was there stays until the new is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stages.records import Refused
from stages.write import LISTING, swap_folder, write_if_changed, write_tree, written_before


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_a_file_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "a.txt"
    assert write_if_changed(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    before = path.stat().st_mtime_ns, path.stat().st_ino
    assert not write_if_changed(path, "é\n".encode())
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert write_if_changed(path, b"\xff\0")
    assert names(tmp_path) == ["deep/er/a.txt"]


def test_a_written_file_has_the_rights_of_any_other(tmp_path: Path) -> None:
    write_if_changed(tmp_path / "a", "a")
    (tmp_path / "b").touch()
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_if_changed(path, "old")

    def full(*_: object) -> None:
        raise OSError("the disk is full")

    for name in ("fchmod", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(os, name, full)
            with pytest.raises(OSError, match="full"):
                write_if_changed(path, "new")
        assert path.read_text() == "old"
        assert names(tmp_path) == ["a"]


def test_a_folder_in_the_way_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_if_changed(tmp_path / "a", "x")
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]


def test_a_tree_follows_its_files_and_leaves_the_users_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.md").write_text("mine")
    assert write_tree(tmp_path, {"a.md": b"1", "a/x.svg": b"2", "b.md": b"3"}) == [
        "a.md",
        "a/x.svg",
        "b.md",
    ]
    assert names(tmp_path) == [LISTING, "a.md", "a/x.svg", "b.md", "mine.md"]
    assert write_tree(tmp_path, {"a.md": b"1", "a/x.svg": b"2", "b.md": b"3"}) == []
    assert sorted(write_tree(tmp_path, {"b.md": b"4"})) == ["a.md", "a/x.svg", "b.md"]
    assert names(tmp_path) == [LISTING, "b.md", "mine.md"]
    assert not (tmp_path / "a").exists()


def test_a_folder_with_a_file_of_the_users_stays(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a/x.svg": b"1"})
    (tmp_path / "a" / "mine").touch()
    write_tree(tmp_path, {})
    assert names(tmp_path) == [LISTING, "a/mine"]


def test_a_file_that_is_gone_already_is_no_fault(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a": b"1", "b/c": b"2"})
    (tmp_path / "a").unlink()
    (tmp_path / "b" / "c").unlink()
    (tmp_path / "b").rmdir()
    assert write_tree(tmp_path, {}) == []


@pytest.mark.parametrize(
    "listed", ["../outside", "/etc/hostname", "", ".", "..", "sub/../../outside", "a\0b"]
)
def test_a_list_that_was_tampered_with_removes_nothing_outside(listed: str, tmp_path: Path) -> None:
    (tmp_path / "outside").touch()
    folder = tmp_path / "pages"
    write_tree(folder, {"a": b"1"})
    (folder / LISTING).write_text(f"{listed}\na\n")
    write_tree(folder, {"a": b"1"})
    assert names(tmp_path) == ["outside", f"pages/{LISTING}", "pages/a"]


def test_a_killed_run_leaves_nothing_unlisted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tree(tmp_path, {"a": b"1"})
    rename, count = Path.replace, iter(range(10))

    def killed(self: Path, target: Path) -> Path:
        if next(count) == 2:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            write_tree(tmp_path, {"b": b"2", "c": b"3"})
    assert names(tmp_path) == [LISTING, "a", "b"]
    write_tree(tmp_path, {"c": b"3"})
    assert names(tmp_path) == [LISTING, "c"]


def test_folders_are_swapped_whole(tmp_path: Path) -> None:
    new, target = tmp_path / "new", tmp_path / "site"
    for content in ("1", "2"):
        write_if_changed(new / "a", content)
        swap_folder(new, target)
        assert names(tmp_path) == ["site/a"]
        assert (target / "a").read_text() == content


def test_a_swap_that_fails_takes_the_first_rename_back(tmp_path: Path) -> None:
    target = tmp_path / "site"
    write_if_changed(target / "a", "1")
    write_if_changed(tmp_path / ".site.old" / "left", "by a killed run")
    with pytest.raises(OSError, match="No such file"):
        swap_folder(tmp_path / "gone", target)
    assert names(tmp_path) == ["site/a"]
    with pytest.raises(OSError, match="No such file"):
        swap_folder(tmp_path / "gone", tmp_path / "never")


def test_a_file_of_the_users_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("mine", "utf-8")
    with pytest.raises(Refused, match="no earlier build wrote it"):
        write_tree(tmp_path, {"page.md": b"theirs", "other.md": b"new"})
    assert (tmp_path / "page.md").read_text("utf-8") == "mine"
    assert not (tmp_path / "other.md").exists()


def test_what_an_older_version_wrote_without_a_list_is_ours(tmp_path: Path) -> None:
    banner = "---\n# Generated by `python scripts/build.py pages`. Edit that file.\n---\n"
    (tmp_path / "index.md").write_text(banner + "old", "utf-8")
    write_tree(tmp_path, {"index.md": b"new"})
    assert (tmp_path / "index.md").read_bytes() == b"new"
    (tmp_path / "topics.md").write_text("mine", "utf-8")
    with pytest.raises(Refused, match="no earlier build wrote it"):
        write_tree(tmp_path, {"index.md": b"new", "topics.md": b"new"})


def test_a_file_of_the_users_in_the_place_of_an_old_one_stays(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a.md": b"a", "b.md": b"b", "c/d.md": b"d"})
    (tmp_path / "b.md").write_text("by hand", "utf-8")
    assert sorted(written_before(tmp_path)) == ["a.md", "c/d.md"]
    write_tree(tmp_path, {"a.md": b"a"})
    assert (tmp_path / "b.md").read_text("utf-8") == "by hand"
    assert not (tmp_path / "c").exists()


def test_a_list_of_an_older_version_is_read(tmp_path: Path) -> None:
    (tmp_path / "old.md").write_bytes(b"old")
    (tmp_path / LISTING).write_text("old.md\n", "utf-8")
    write_tree(tmp_path, {"new.md": b"new"})
    assert not (tmp_path / "old.md").exists()
