"""Two builds of one commit are the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench import bring_scheduler, build, copy_repository, git, passed, tree


def differences(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The site of one commit, on two paths, on two sides of the date line, hashed in two ways."""
    folder = tmp_path_factory.mktemp("reproducible")
    one = copy_repository(folder / "one")
    other = folder / "another place" / "of-a-longer-name"
    git("clone", "--quiet", one, other, at=folder)
    bring_scheduler(other)
    for project, zone, seed in ((one, "Pacific/Kiritimati", "1"), (other, "Etc/GMT+12", "2")):
        changes = {"TZ": zone, "PYTHONHASHSEED": seed, "NOTEBOOK_VIEWS": "true"}
        passed(build("site", root=project, **changes))
    return one / "site", other / "site"


def test_two_builds_of_one_commit_are_the_same_bytes(sites: tuple[Path, Path]) -> None:
    one, other = map(tree, sites)
    assert {"index.html", "questions.json", "sitemap.xml", "sitemap.xml.gz"} <= one.keys()
    stems = [q["stem"] for q in json.loads(one["questions.json"])["questions"] if q["notebook"]]
    assert stems
    assert {f"notebooks/{stem}/index.html" for stem in stems} <= one.keys()
    assert differences(one, other) == []


def test_a_build_writes_nothing_but_the_site(sites: tuple[Path, Path]) -> None:
    """So that another build, with other settings, may run beside it."""
    new = git("status", "--porcelain", "--ignored", at=sites[0].parent).splitlines()
    made = [line for line in new if "__pycache__" not in line and "node_modules" not in line]
    assert made == ["!! site/"]


def test_files_have_the_same_modes(sites: tuple[Path, Path]) -> None:
    modes = [
        {path.relative_to(site).as_posix(): oct(path.stat().st_mode) for path in site.rglob("*")}
        for site in sites
    ]
    assert modes[0] == modes[1]


def test_nothing_of_this_machine_is_in_the_site(sites: tuple[Path, Path]) -> None:
    paths = [str(site.parents[1]).encode() for site in sites]
    for name, content in tree(sites[1]).items():
        assert not any(path in content for path in paths), name


def test_a_difference_is_noticed(sites: tuple[Path, Path]) -> None:
    one = tree(sites[0])
    other = {**one, "index.html": one["index.html"] + b" ", "more.html": b""}
    assert differences(one, other) == ["index.html", "more.html"]
