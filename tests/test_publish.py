"""Publishing to a bare repository on disk: what it does, and that nothing can break the branch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stages.publish import NAME, pages_address, publish
from stages.records import Refused

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
RUN = """
import sys
from pathlib import Path
from stages.publish import publish
from stages.records import Refused
try:
    print(publish(Path(sys.argv[1]), remote=sys.argv[2]))
except Refused as refused:
    sys.exit(str(refused))
"""


@pytest.fixture(autouse=True)
def _nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which git was never configured, and a working folder that is no repository."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.chdir(home)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A finished site."""
    root = tmp_path / "site"
    write(root, "index.html", "home")
    write(root, "404.html", "gone")
    write(root, "questions.json", "{}")
    write(root, "assets/main.11111111.css", "first")
    return root


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """An empty bare repository."""
    bare = tmp_path / "remote.git"
    git("init", "--quiet", "--bare", str(bare))
    return bare


def write(root: Path, name: str, text: str) -> None:
    """Write one file, with its folders."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, "utf-8")


def git(*arguments: str, at: Path | None = None) -> str:
    """What git prints."""
    return subprocess.run(
        ("git", *arguments), cwd=at, check=True, capture_output=True, text=True
    ).stdout.strip()


def tip(remote: Path) -> str:
    """The commit that is published, or an empty string."""
    return git("for-each-ref", "--format=%(objectname)", "refs/heads/gh-pages", at=remote)


def published(remote: Path) -> dict[str, str]:
    """What is published: name → content."""
    names = git("ls-tree", "-r", "--name-only", "gh-pages", at=remote).splitlines()
    return {name: git("show", f"gh-pages:{name}", at=remote) for name in names}


def history(remote: Path) -> int:
    """How many commits the branch has, after a check that the repository is whole."""
    assert "corrupt" not in git("fsck", "--full", "--strict", at=remote)
    return int(git("rev-list", "--count", "gh-pages", at=remote)) if tip(remote) else 0


def hook(remote: Path, name: str, text: str) -> None:
    """Give the remote a hook."""
    write(remote, f"hooks/{name}", f"#!/bin/sh\n{text}\n")
    (remote / "hooks" / name).chmod(0o755)


def stop_at(folder: Path, monkeypatch: pytest.MonkeyPatch, step: str, command: str) -> None:
    """Let a git stand before the real one that runs a shell command before a step of git's."""
    shim = f'case "$1" in {step}) {command};; esac\nexec {shutil.which("git")} "$@"\n'
    write(folder / "bin", "git", f"#!/bin/sh\n{shim}")
    (folder / "bin/git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")


def refusal(site: Path, remote: Path | str, branch: str = "gh-pages") -> str:
    """What the refusal says; anything but a refusal fails."""
    with pytest.raises(Refused) as refused:
        publish(site, remote=str(remote), branch=branch)
    return str(refused.value)


def start(site: Path, remote: Path) -> subprocess.Popen[str]:
    """Publish in a process group of its own."""
    return subprocess.Popen(
        (sys.executable, "-c", RUN, str(site), str(remote)),
        env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


# ── what it does ───────────────────────────────────────────────────────────────────────────────


def test_the_first_publish_makes_the_branch(site: Path, remote: Path) -> None:
    line = publish(site, remote=str(remote))
    assert line.startswith(f"published {tip(remote)[:7]} with 5 files (5 added, 0 changed")
    assert str(remote) in line
    assert published(remote) == {
        ".nojekyll": "",
        "404.html": "gone",
        "assets/main.11111111.css": "first",
        "index.html": "home",
        "questions.json": "{}",
    }
    who = git("log", "-1", "--format=%cn %cI %an", "gh-pages", at=remote)
    assert who in (
        f"{NAME} 2023-11-14T22:13:20+00:00 {NAME}",
        f"{NAME} 2023-11-14T22:13:20Z {NAME}",
    )
    assert history(remote) == 1


def test_a_path_is_taken_from_the_working_folder(
    site: Path, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    publish(site, remote=remote.name, repository=site)
    assert history(remote) == 1


def test_a_publish_adds_to_the_history(site: Path, remote: Path) -> None:
    publish(site, remote=str(remote))
    first = tip(remote)
    write(site, "index.html", "another home")
    write(site, "new.html", "new")
    (site / "assets/main.11111111.css").unlink()
    line = publish(site, remote=str(remote), message="-m of ours")
    assert "(1 added, 1 changed, 0 removed, 1 kept for open pages)" in line
    assert git("rev-parse", "gh-pages^", at=remote) == first
    assert git("log", "-1", "--format=%s", "gh-pages", at=remote) == "-m of ours"
    assert history(remote) == 2


def test_a_file_with_a_hash_stays_for_one_more_publish(site: Path, remote: Path) -> None:
    publish(site, remote=str(remote))
    (site / "assets/main.11111111.css").rename(site / "assets/main.22222222.css")
    publish(site, remote=str(remote))
    assert published(remote)["assets/main.11111111.css"] == "first"
    assert published(remote)[".kept"] == "assets/main.11111111.css"
    line = publish(site, remote=str(remote))
    assert line.startswith("nothing changed")
    assert "assets/main.11111111.css" in published(remote)
    (site / "assets/main.22222222.css").rename(site / "assets/main.33333333.css")
    publish(site, remote=str(remote))
    assert [name for name in published(remote) if "main" in name] == [
        "assets/main.22222222.css",
        "assets/main.33333333.css",
    ]
    write(site, "index.html", "another home")
    publish(site, remote=str(remote))
    assert ".kept" not in published(remote)
    assert history(remote) == 4


def test_a_kept_file_that_comes_back_is_the_sites_own(site: Path, remote: Path) -> None:
    publish(site, remote=str(remote))
    (site / "assets/main.11111111.css").rename(site / "assets/main.22222222.css")
    publish(site, remote=str(remote))
    (site / "assets/main.22222222.css").rename(site / "assets/main.11111111.css")
    publish(site, remote=str(remote))
    assert published(remote)[".kept"] == "assets/main.22222222.css"
    (site / "assets/main.11111111.css").unlink()
    publish(site, remote=str(remote))
    assert published(remote)[".kept"] == "assets/main.11111111.css"


def test_a_kept_file_gives_way_to_a_folder_or_a_file(site: Path, remote: Path) -> None:
    write(site, "a.11111111.d/b.11111111.css", "b")
    publish(site, remote=str(remote))
    (site / "a.11111111.d/b.11111111.css").unlink()
    (site / "a.11111111.d").rmdir()
    write(site, "a.11111111.d", "a file now")
    publish(site, remote=str(remote))
    assert published(remote)["a.11111111.d"] == "a file now"


def test_what_is_published_already_is_not_committed_again(site: Path, remote: Path) -> None:
    publish(site, remote=str(remote))
    assert publish(site, remote=str(remote)).startswith(f"nothing changed: {tip(remote)[:7]}")
    assert history(remote) == 1


def test_the_same_site_gives_the_same_commit(site: Path, remote: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.git"
    git("init", "--quiet", "--bare", str(other))
    (site / "index.html").chmod(0o755)
    publish(site, remote=str(remote))
    (site / "index.html").chmod(0o644)
    publish(site, remote=str(other))
    assert tip(remote) == tip(other)


def test_the_domain_stays_unless_the_site_has_its_own(
    site: Path, remote: Path, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    git("init", "--quiet", "-b", "gh-pages", str(work))
    write(work, "CNAME", "bank.example")
    git("add", ".", at=work)
    git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "domain", at=work)
    git("push", "-q", str(remote), "gh-pages", at=work)
    publish(site, remote=str(remote))
    assert published(remote)["CNAME"] == "bank.example"
    write(site, "CNAME", "new.example")
    publish(site, remote=str(remote))
    assert published(remote)["CNAME"] == "new.example"
    assert history(remote) == 3


def test_a_dry_run_says_what_would_change_and_changes_nothing(site: Path, remote: Path) -> None:
    assert "5 added" in publish(site, remote=str(remote), dry_run=True)
    assert tip(remote) == ""
    publish(site, remote=str(remote))
    before = tip(remote)
    write(site, "index.html", "another home")
    line = publish(site, remote=str(remote), dry_run=True)
    assert line.startswith("would publish ")
    assert "0 added, 1 changed, 0 removed" in line
    assert tip(remote) == before


def test_the_repository_gives_remote_identity_and_date(
    site: Path, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    source = tmp_path / "source"
    git("init", "--quiet", str(source))
    for key, value in {
        "user.name": "An <odd> Author",
        "user.email": "author@example.org",
        "credential.helper": "store",
        "http.proxy": "",
        "remote.origin.url": "../remote.git",
    }.items():
        git("config", key, value, at=source)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2020-02-02T00:00:00+00:00")
    git("commit", "--quiet", "--allow-empty", "-m", "sources", at=source)
    monkeypatch.delenv("GIT_COMMITTER_DATE")
    # As in a hook of the source repository, where git sets such a variable.
    monkeypatch.setenv("GIT_DIR", str(source / ".git"))
    publish(site, remote="origin", repository=source)
    monkeypatch.delenv("GIT_DIR")
    who = git("log", "-1", "--format=%cn %ce %cs %s", "gh-pages", at=remote)
    commit = git("rev-parse", "--short", "HEAD", at=source)
    expected = "An odd Author author@example.org 2020-02-02 Publish the site of "
    assert who == expected + commit


# ── what it refuses ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["index.html", "404.html", "questions.json"])
def test_an_unfinished_site_is_refused(site: Path, remote: Path, name: str) -> None:
    (site / name).unlink()
    assert f"{name}: a finished site has this file" in refusal(site, remote)
    assert tip(remote) == ""


def test_names_that_git_does_not_take_are_refused(site: Path, remote: Path) -> None:
    write(site, ".git/config", "x")
    write(site, '"quoted', "x")
    (site / "link").symlink_to("/etc/hostname")
    assert refusal(site, remote).count("\n") == 2
    assert tip(remote) == ""


@pytest.mark.parametrize(
    ("remote_", "says"),
    [
        ("missing.git/", "missing.git"),
        ("origin", "neither an address nor the name of a remote"),
        ("", "neither an address"),
        ("--upload-pack=x/y", "nothing was published"),
        ("http://user:secret@127.0.0.1:9/x.git", "http://***@127.0.0.1:9/x.git"),
        ("http://user:p@ss@127.0.0.1:9/x.git", "http://***@127.0.0.1:9/x.git"),
    ],
)
def test_a_remote_out_of_reach_is_told_without_secrets(site: Path, remote_: str, says: str) -> None:
    said = refusal(site, remote_)
    assert says in said
    assert "\n" not in said
    assert "secret" not in said
    assert "p@ss" not in said


def test_a_branch_without_a_site_is_not_replaced(site: Path, remote: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    git("init", "--quiet", "-b", "gh-pages", str(work))
    write(work, "main.py", "sources")
    git("add", ".", at=work)
    git("-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "sources", at=work)
    git("push", "-q", str(remote), "gh-pages", at=work)
    assert "something else than a site" in refusal(site, remote)
    assert list(published(remote)) == ["main.py"]


def test_a_branch_of_a_bad_name_is_refused(site: Path, remote: Path) -> None:
    assert "no such name for a branch" in refusal(site, remote, "a..b")


def test_without_git_it_says_so(
    site: Path, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "the program git is not installed" in refusal(site, remote)


def test_a_remote_that_never_answers_is_told(
    site: Path, remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(tmp_path, monkeypatch, "ls-remote", "exec sleep 60")
    monkeypatch.setattr("stages.publish.TIME_LIMIT", 0.5)
    assert "no answer within 0.5 seconds" in refusal(site, remote)


def test_an_import_that_loses_a_file_is_not_pushed(
    site: Path, remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.publish._files", lambda folder: [folder / "index.html"])
    assert "git did not take .nojekyll" in refusal(site, remote)
    assert tip(remote) == ""


def test_a_remote_that_refuses_leaves_all_as_it_was(site: Path, remote: Path) -> None:
    publish(site, remote=str(remote))
    before = tip(remote)
    hook(remote, "pre-receive", "echo 'not on a Friday' >&2; exit 1")
    write(site, "index.html", "another home")
    assert "not on a Friday" in refusal(site, remote)
    assert (tip(remote), history(remote)) == (before, 1)


def test_a_push_that_went_through_counts_whatever_git_says(site: Path, remote: Path) -> None:
    # The connection breaks after the remote took the commit and before it could say so.
    hook(remote, "reference-transaction", '[ "$1" != committed ] || kill -9 $PPID')
    line = publish(site, remote=str(remote))
    assert line.startswith("published ")
    assert (history(remote), len(published(remote))) == (1, 5)


# ── races and kills ────────────────────────────────────────────────────────────────────────────


def test_a_lost_race_is_run_again_on_top_of_the_winner(
    site: Path, remote: Path, tmp_path: Path
) -> None:
    publish(site, remote=str(remote))
    other = tmp_path / "other"
    write(other, "index.html", "of somebody else")
    write(other, "404.html", "gone")
    write(other, "questions.json", "{}")
    mark = tmp_path / "mark"
    # While the first one pushes, the other one publishes in whole.
    command = f'"{sys.executable}" -c \'{RUN}\' "{other}" "{remote}"'
    clean = (
        "unset GIT_DIR GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES"
    )
    once = f'[ -e "{mark}" ] || {{ touch "{mark}"; {clean}; {command}; }} >&2'
    hook(remote, "pre-receive", f"export PYTHONPATH={SCRIPTS}\n{once}")
    write(site, "index.html", "ours")
    assert publish(site, remote=str(remote)).startswith("published ")
    assert git("show", "gh-pages^:index.html", at=remote) == "of somebody else"
    assert published(remote)["index.html"] == "ours"
    assert history(remote) == 3


def test_a_race_lost_again_and_again_is_given_up(site: Path, remote: Path, tmp_path: Path) -> None:
    publish(site, remote=str(remote))
    clean = "unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES"
    who = "-c user.name=A -c user.email=a@b"
    move = f"c=$(git {who} commit-tree -p gh-pages -m x 'gh-pages^{{tree}}')"
    hook(remote, "pre-receive", f"{clean}\n{move}\ngit update-ref refs/heads/gh-pages $c")
    write(site, "index.html", "ours")
    assert "at the same time, 3 times in a row" in refusal(site, remote)
    assert published(remote)["index.html"] == "home"
    assert history(remote) == 4


def test_two_at_once_end_well(site: Path, remote: Path, tmp_path: Path) -> None:
    publish(site, remote=str(remote))
    other = tmp_path / "other"
    for name in ("index.html", "404.html", "questions.json"):
        write(other, name, "of somebody else")
    write(site, "index.html", "ours")
    both = [start(folder, remote) for folder in (site, other)]
    ends = [process.communicate(timeout=60) for process in both]
    for process, (out, complaint) in zip(both, ends, strict=True):
        assert "Traceback" not in complaint
        assert out.startswith("published") if process.returncode == 0 else complaint
    done = sum(process.returncode == 0 for process in both)
    assert done >= 1
    assert history(remote) == 1 + done
    assert published(remote)["index.html"] in ("ours", "of somebody else")


@pytest.mark.parametrize("moment", ["fetch", "import", "pre-receive", "update", "post-receive"])
def test_killed_at_any_moment_the_branch_is_whole(
    site: Path, remote: Path, tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(site, remote=str(remote))
    before = tip(remote)
    write(site, "index.html", "another home")
    mark = tmp_path / "mark"
    wait = f'[ -e "{mark}" ] || {{ touch "{mark}"; sleep 30; }}'
    if moment in ("fetch", "import"):  # a git that stops at this step
        step = {"fetch": "fetch", "import": "fast-import"}[moment]
        stop_at(tmp_path, monkeypatch, step, wait)
    else:
        hook(remote, moment, wait)
    process = start(site, remote)
    deadline = time.monotonic() + 30
    while not mark.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    taken = moment == "post-receive"
    assert (tip(remote) == before) is not taken
    assert history(remote) == 1 + taken
    line = publish(site, remote=str(remote))
    assert line.startswith("nothing changed" if taken else "published")
    assert published(remote)["index.html"] == "another home"
    assert history(remote) == 2


@pytest.mark.parametrize(
    ("remote", "address"),
    [
        ("https://github.com/Ada/deep.git", "https://ada.github.io/deep/"),
        ("git@github.com:Ada/deep.git", "https://ada.github.io/deep/"),
        ("https://github.com/ada/Ada.github.io", "https://ada.github.io/"),
        ("/srv/git/site.git", None),
        ("https://example.org/ada/deep.git", None),
    ],
)
def test_address_of_the_published_site(tmp_path: Path, remote: str, address: str | None) -> None:
    assert pages_address(remote, tmp_path) == address


def test_a_domain_of_ones_own_goes_first(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "CNAME").write_text("learn.example.org\n", "utf-8")
    assert pages_address("https://github.com/ada/deep", tmp_path) == "https://learn.example.org/"
