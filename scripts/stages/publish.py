"""Publishing: a finished, checked site becomes one commit on a branch that a host serves.

All work is done in a temporary repository. The only step that others can see is one push without
force, which git takes whole or not at all: after a failure, or a kill at any moment, the branch is
as it was. If somebody else published in between, the push is refused, and the work is done again
on top of theirs.
"""

from __future__ import annotations

import email.utils
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stages.records import Fault, Refused

NEEDED = ("index.html", "404.html", "questions.json")
KEPT = ".kept"  # in the published tree: the files that the commit kept from the one before
TRIES = 3
TIME_LIMIT = 300  # seconds for one git command; a push has none, lest it succeed after all
NAME, MAIL = "Site publisher", "publisher@localhost"  # where no identity is configured

_HASHED = re.compile(r"\.[0-9a-f]{8,}\.[^/]+$")
_HARMLESS = {".gitignore", ".nojekyll", "CNAME", "LICENSE", "README.md"}

_TIED = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
}
_Tree = Mapping[str, tuple[str, str]]  # of a commit: name → (mode, object)


class _GitError(Exception):
    """A git command failed; the text says how, without credentials."""


@dataclass(frozen=True)
class _Git:
    """Runs git in one folder with one environment."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *arguments: str) -> bytes:
        return self.run("git", *arguments)

    def run(self, *command: str) -> bytes:
        """The standard output of the command. Raises _GitError if it fails or takes too long."""
        try:
            done = subprocess.run(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=None if "push" in command else TIME_LIMIT,
                check=False,
            )
        except FileNotFoundError:
            raise _GitError(f"the program {command[0]} is not installed") from None
        except subprocess.TimeoutExpired:
            raise _GitError(f"no answer within {TIME_LIMIT} seconds") from None
        if done.returncode:
            raise _GitError(_last_words(done.stderr) or f"exit code {done.returncode}")
        return done.stdout


def publish(
    site: Path,
    *,
    remote: str = "origin",
    branch: str = "gh-pages",
    dry_run: bool = False,
    message: str | None = None,
    repository: Path | None = None,
) -> str:
    """Publish the folder `site` as a commit on `branch` of `remote`; return a line that says so.

    `site` must be finished and checked, and stay as it is meanwhile. `remote` is an address, a
    path, or the name of a remote of `repository`. `CNAME` stays as published unless the site has
    its own. Files with a hash in their name that the published site has and the new one lacks stay
    for one more publish, for readers with an old page open; `.kept` in the tree lists them, so that
    the next publish drops them. If all but those is as published, nothing is committed.

    `repository` (default: the working folder) is where the site was made: its git configuration
    gives credentials and identity, and its last commit the date, unless SOURCE_DATE_EPOCH does.
    With `dry_run` everything is done but the push.

    Raises Refused if the site is not complete or the remote does not take it.
    """
    _require_complete(site)
    source = _Git(repository or Path.cwd(), _clean_environment())
    shown = _masked(remote)
    try:
        source("--version")
        address = _address(source, remote)
        shown = _masked(address)
        environment = _commit_environment(source, address)
        message = message or _message(source)
        with tempfile.TemporaryDirectory(prefix="publish-", ignore_cleanup_errors=True) as folder:
            git = _Git(Path(folder), environment)
            outcome = _publish(git, site, branch, message, dry_run)
    except (_GitError, OSError, shutil.Error) as wrong:
        what = f"nothing was published to the branch {branch}: {_masked(str(wrong))}"
        todo = "mend that and publish again; what was published before is untouched"
        raise Refused([Fault(shown, 0, what, todo)]) from None
    return f"{outcome}, branch {branch} of {shown}"


def pages_address(remote: str, repository: Path) -> str | None:
    """Where GitHub Pages serves what is pushed to `remote`; None for other hosts.

    The domain in the repository's `docs/CNAME`, if there is one, goes first.
    """
    domain = repository / "docs" / "CNAME"
    if domain.is_file() and (name := domain.read_text("utf-8").strip()):
        return f"https://{name}/"
    address = _ask(_Git(repository, _clean_environment()), "remote", "get-url", "--", remote)
    match = re.search(
        r"(?:^|[/@.])github\.com[:/]([\w-]+)/([\w.-]+?)(?:\.git)?/?$", address or remote
    )
    if not match:
        return None
    owner, name = match[1].lower(), match[2]
    host = f"{owner}.github.io"
    return f"https://{host}/" if name.lower() == host else f"https://{host}/{name}/"


def _publish(git: _Git, site: Path, branch: str, message: str, dry_run: bool) -> str:
    git("init", "--quiet", "--template=")
    try:
        git("check-ref-format", f"refs/heads/{branch}")
    except _GitError:
        raise _GitError("git takes no such name for a branch") from None
    for attempt in range(TRIES):
        base = _tip(git, branch)
        before = _fetch(git, branch) if base else {}
        staging = git.folder / f"site-{attempt}"
        kept_before = _listed(git, before)
        kept = _stage(git, site, staging, before, kept_before)
        commit = _commit(git, staging, branch, message)
        after = _tree(git, commit)
        missed = {path.relative_to(staging).as_posix() for path in _files(staging)} ^ set(after)
        if missed:
            raise _GitError(f"git did not take {', '.join(sorted(missed)[:3])}")
        if base and _without(before, kept_before) == _without(after, kept):
            return f"nothing changed: {base[:7]} stays"
        says = f"{commit[:7]} with {len(after)} files ({_difference(before, after, kept)})"
        if dry_run:
            return f"would publish {says}"
        try:
            git("push", "--quiet", "origin", f"refs/heads/{branch}:refs/heads/{branch}")
            return f"published {says}"
        except _GitError as wrong:
            # The remote's branch tells what happened, whatever the words of the error are.
            tip = _tip(git, branch)
            if tip == commit:
                return f"published {says}"
            if tip == base and "lock" not in str(wrong):
                raise
            time.sleep(0.2 * (attempt + 1))
    raise _GitError(f"others published to it at the same time, {TRIES} times in a row")


# ── the steps ──────────────────────────────────────────────────────────────────────────────────


def _require_complete(site: Path) -> None:
    faults = [
        Fault(str(site / name), 0, "a finished site has this file", "build the site first")
        for name in NEEDED
        if not (site / name).is_file()
    ]
    for path in sorted(site.rglob("*")):
        if path.is_symlink():
            faults.append(Fault(str(path), 0, "a link can't be published", "put the file there"))
        elif path.name.lower() == ".git" or path.name.startswith('"') or "\n" in path.name:
            faults.append(Fault(str(path), 0, "git takes no such name", "remove it"))
    if faults:
        raise Refused(faults)


def _tip(git: _Git, branch: str) -> str:
    """The commit at which the remote's branch is, or an empty string if there is none."""
    name = f"refs/heads/{branch}"
    lines = (line.split("\t") for line in git("ls-remote", "origin", name).decode().splitlines())
    return next((commit for commit, ref in lines if ref == name), "")


def _fetch(git: _Git, branch: str) -> _Tree:
    """Bring the last commit of the remote's branch here; return its tree.

    Raises _GitError if it is no published site: a slip must not replace somebody's sources.
    """
    tracking = f"refs/remotes/origin/{branch}"
    git("fetch", "--quiet", "--depth=1", "origin", f"+refs/heads/{branch}:{tracking}")
    tree = _tree(git, tracking)
    if "index.html" not in tree and not tree.keys() <= _HARMLESS:
        raise _GitError("the branch holds something else than a site (it has no index.html)")
    return tree


def _tree(git: _Git, commit: str) -> _Tree:
    """Every file of a commit."""
    tree = {}
    for entry in os.fsdecode(git("ls-tree", "-r", "-z", "--full-tree", commit)).split("\0"):
        if entry:
            facts, _, name = entry.partition("\t")
            mode, _, identity = facts.split()
            tree[name] = (mode, identity)
    return tree


def _listed(git: _Git, tree: _Tree) -> frozenset[str]:
    """The names that the commit with this tree kept from the one before it."""
    if KEPT not in tree:
        return frozenset()
    return frozenset(os.fsdecode(git("cat-file", "blob", tree[KEPT][1])).splitlines())


def _stage(
    git: _Git,
    site: Path,
    staging: Path,
    before: _Tree,
    kept_before: frozenset[str],
) -> frozenset[str]:
    """Lay out what will be published in `staging`; return the names kept from `before`."""
    staging.mkdir()
    for path in _files(site):
        copy = staging / path.relative_to(site)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)  # without its mode: a published file is never executable
    (staging / ".nojekyll").touch()
    kept = frozenset(
        name
        for name in before
        if _HASHED.search(name)
        and name not in kept_before
        and before[name][0].startswith("100")  # a file
        and not any(part.is_file() for part in (staging / name).parents)
        and not (staging / name).exists()
    )
    restored = {*kept, "CNAME"} if not (staging / "CNAME").exists() else kept
    for name in restored & set(before):
        copy = staging / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(git("cat-file", "blob", before[name][1]))
    (staging / KEPT).unlink(missing_ok=True)
    if kept:
        (staging / KEPT).write_bytes(b"".join(os.fsencode(name) + b"\n" for name in sorted(kept)))
    return kept


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _commit(git: _Git, staging: Path, branch: str, message: str) -> str:
    """Commit `staging` on top of what was fetched: ghp-import's work, done by its command."""
    git("update-ref", "-d", f"refs/heads/{branch}")  # of an earlier try
    importer = (sys.executable, "-m", "ghp_import", f"--branch={branch}", f"--message={message}")
    git.run(*importer, "--remote=origin", "--", str(staging))
    return git("rev-parse", f"refs/heads/{branch}").decode().strip()


def _without(tree: _Tree, kept: frozenset[str]) -> _Tree:
    return {name: entry for name, entry in tree.items() if name not in kept and name != KEPT}


def _difference(
    before: _Tree,
    after: _Tree,
    kept: frozenset[str],
) -> str:
    old, new = _without(before, frozenset()), _without(after, frozenset())
    changed = sum(old[name] != new[name] for name in old.keys() & new.keys())
    return (
        f"{len(new.keys() - old.keys())} added, {changed} changed, "
        f"{len(old.keys() - new.keys())} removed, {len(kept)} kept for open pages"
    )


# ── git's surroundings ─────────────────────────────────────────────────────────────────────────


def _clean_environment() -> dict[str, str]:
    """This environment without what ties git to a repository (a git hook sets such variables)."""
    kept = {name: value for name, value in os.environ.items() if name not in _TIED}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _address(source: _Git, remote: str) -> str:
    """Where `remote` is: the address of a configured name, a path made absolute, or itself."""
    configured = _ask(source, "remote", "get-url", "--push", "--", remote)
    path = source.folder / configured if configured else Path(remote)
    if remote and path.exists():
        return str(path.resolve())
    if not configured and not re.search(r"[/:\\]", remote):
        raise _GitError("it is neither an address nor the name of a remote of this repository")
    return configured or remote


def _commit_environment(source: _Git, address: str) -> dict[str, str]:
    """The environment of the temporary repository: identity, date and the way to the remote.

    The remote's address and the source repository's own settings of how to reach it go through
    the environment: no secret is written to the disk, where a killed run would leave it.
    """
    environment = dict(source.environment)
    date = os.environ.get("SOURCE_DATE_EPOCH") or _ask(source, "log", "-1", "--format=%ct")
    for who in ("COMMITTER", "AUTHOR"):
        name = environment.get(f"GIT_{who}_NAME") or _ask(source, "config", "user.name")
        mail = environment.get(f"GIT_{who}_EMAIL") or _ask(source, "config", "user.email")
        environment[f"GIT_{who}_NAME"] = re.sub(r"[<>\n]", "", name).strip() or NAME
        environment[f"GIT_{who}_EMAIL"] = re.sub(r"[<>\s]", "", mail) or MAIL
        if re.fullmatch(r"[0-9]{1,10}", date):
            environment[f"GIT_{who}_DATE"] = email.utils.formatdate(int(date))
    reach = r"^(credential|http|url)\.|^core\.sshcommand$"
    local = _ask(source, "config", "--local", "--includes", "-z", "--get-regexp", reach)
    settings = [setting.partition("\n") for setting in local.split("\0") if setting]
    given = environment.get("GIT_CONFIG_COUNT", "")
    first = int(given) if given.isdecimal() else 0
    pairs = [("remote.origin.url", address)]
    pairs += [(key, value if separator else "true") for key, separator, value in settings]
    for number, (key, value) in enumerate(pairs, first):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    return environment | {"GIT_CONFIG_COUNT": str(first + len(pairs))}


def _message(source: _Git) -> str:
    commit = _ask(source, "rev-parse", "--short", "HEAD")
    return f"Publish the site of {commit}" if commit else "Publish the site"


def _ask(git: _Git, *arguments: str) -> str:
    """What git answers, or an empty string if it has no answer."""
    try:
        return git(*arguments).decode("utf-8", "replace").strip()
    except _GitError:
        return ""


def _last_words(stderr: bytes) -> str:
    """The lines of git's complaint that say what is wrong, in one line, without credentials."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    telling = [line for line in lines if re.match(r"fatal:|error:|remote:|!|ERROR|ssh:", line)]
    return _masked(" / ".join((telling or [line for line in lines if line])[-4:]))


def _masked(text: str) -> str:
    return re.sub(r"(\w://)[^/\s]*@", r"\1***@", text)
