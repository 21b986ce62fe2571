"""The verb `serve`: live, one rebuild for one edit, and never without the last good page."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from workbench import build, command, copy_repository, environment

STEM = "02-neural-network-components"
NOTEBOOK = "17-residual-networks"
BUILDING = "Building documentation"
PATIENCE = 90  # seconds; the machine may be busy with other tests


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_repository(tmp_path_factory.mktemp("serve") / "project")


def text(project: Path) -> Path:
    return project / "source" / f"{STEM}.txt"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Serving:
    """A running `serve`, its address and what it prints."""

    def __init__(self, project: Path, log: Path) -> None:
        self.port, self.log = free_port(), log
        with log.open("wb") as said:
            self.started = subprocess.Popen(
                command(project, "serve", "--address", f"127.0.0.1:{self.port}"),
                cwd=project,
                env=environment(NOTEBOOK_VIEWS="false", SITE_URL="http://127.0.0.1/repo/"),
                stdout=said,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def page(self, path: str = f"questions/{STEM}/") -> str:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/repo/{path}", timeout=10) as answer:
                return str(answer.read().decode("utf-8"))
        except HTTPError as error:
            error.close()
        except (URLError, ConnectionError, TimeoutError):
            pass
        return ""

    def wait(self, until: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not until():
            assert self.started.poll() is None, f"it ended:\n{self.said()}"
            assert time.monotonic() < deadline, f"it did not happen:\n{self.said()}"
            time.sleep(0.1)

    def settle(self) -> int:
        """Wait until nothing is built any more; return how often it was built so far."""
        count, since = self.said().count(BUILDING), time.monotonic()
        while time.monotonic() - since < 2.5:  # it looks for changes every half second
            time.sleep(0.1)
            if (now := self.said().count(BUILDING)) != count:
                count, since = now, time.monotonic()
        return count


@pytest.fixture(scope="module")
def serving(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    served = Serving(project, tmp_path_factory.mktemp("log") / "said")
    try:
        served.wait(lambda: "Serving on" in served.said())
        yield served
    finally:
        served.started.send_signal(signal.SIGINT)
        try:
            assert served.started.wait(30) == 0
            assert "Traceback" not in served.said()
        finally:
            served.started.kill()


def edit(path: Path, old: str, new: str) -> str:
    """Replace in a file, once; return what it held before."""
    before = path.read_text("utf-8")
    assert old in before
    path.write_text(before.replace(old, new, 1), "utf-8")
    return before


def test_progress_is_shown_as_by_mkdocs(serving: Serving) -> None:
    said = serving.said()
    assert said.count(BUILDING) == 1
    assert f"Serving on http://127.0.0.1:{serving.port}/repo/" in said
    assert "Not Found" not in said
    assert 'id="short-answer"' in serving.page()


def test_what_only_others_see_is_not_made(serving: Serving) -> None:
    page = serving.page()
    assert 'property="og:title"' in page
    assert "og:image" not in page  # drawn in a build alone
    assert "Content-Security-Policy" not in page  # live reload puts a script into each page


def test_an_edit_of_the_text_is_one_rebuild(project: Path, serving: Serving) -> None:
    before = serving.settle()
    edit(text(project), "Title: ", "Title: Wholly new ")
    serving.wait(lambda: "Wholly new" in serving.page())
    assert serving.settle() == before + 1
    assert "Wholly new" in serving.page("")


SHEET = re.compile(r"assets/site\.\w+\.css")


@pytest.mark.parametrize(
    ("name", "old", "new", "shown"),
    [
        ("docs/assets/site.css", "", "/* nearly the same */\n", ""),
        ("scripts/templates/page.md", "## Short answer", "## Briefly", "Briefly"),
        (f"notebooks/{NOTEBOOK}.ipynb", '"executed": "20', '"executed": "19', "Ran on 19"),
    ],
    ids=["look", "template", "notebook"],
)
def test_an_edit_of_look_template_or_notebook_is_one_rebuild(
    project: Path, serving: Serving, name: str, old: str, new: str, shown: str
) -> None:
    address = f"questions/{NOTEBOOK}/"
    before, sheets = serving.settle(), SHEET.findall(serving.page(address))
    edit(project / name, old, new)
    serving.wait(lambda: serving.said().count(BUILDING) > before)
    assert serving.settle() == before + 1
    page = serving.page(address)
    assert shown in page
    assert (SHEET.findall(page) == sheets) == bool(shown)


def test_a_refused_edit_keeps_the_last_good_page_and_says_so(
    project: Path, serving: Serving
) -> None:
    builds = serving.settle()
    before = edit(text(project), "Topic: ", "Topci: ")
    fault = f"source/{STEM}.txt:3: "
    serving.wait(lambda: 'class="refused"' in serving.page())
    assert serving.settle() == builds + 1
    page = serving.page()
    banner = page.split('class="refused"')[1].split("</div>")[0]
    assert 'role="alert"' in banner
    assert fault in banner and "Topci" in banner and "Topic" in banner
    assert 'id="short-answer"' in page
    assert 'class="refused"' in serving.page("")
    assert fault in serving.said()
    assert "The pages stay as they were." in serving.said()
    assert serving.started.poll() is None
    text(project).write_text(before, "utf-8")
    serving.wait(lambda: 'class="refused"' not in serving.page())
    assert serving.settle() == builds + 2
    assert 'class="refused"' not in serving.page("")


def test_a_text_that_goes_and_comes_back(project: Path, serving: Serving) -> None:
    """An editor that saves by rename, or a branch that is switched."""
    builds = serving.settle()
    path = sorted((project / "source").glob("*.txt"))[-1]
    away = project / "away"
    path.rename(away)
    serving.wait(lambda: serving.said().count(BUILDING) > builds)
    serving.settle()
    away.rename(path)
    serving.wait(lambda: path.stem in serving.page(""))
    serving.settle()
    assert 'class="refused"' not in serving.page("")


def test_a_text_that_is_refused_at_the_start_ends_it(project: Path, serving: Serving) -> None:
    before = edit(text(project), "Topic: ", "Topci: ")
    try:
        done = build("serve", "--address", f"127.0.0.1:{free_port()}", root=project)
    finally:
        text(project).write_text(before, "utf-8")
    faults = [line for line in done.stderr.splitlines() if not line.startswith("INFO")]
    assert done.returncode == 1
    assert len(faults) == 1
    assert f"source/{STEM}.txt:3: " in faults[0] and "Topic" in faults[0]


def test_a_port_that_is_taken_is_told(project: Path, serving: Serving) -> None:
    done = build("serve", "--address", f"127.0.0.1:{serving.port}", root=project)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"127.0.0.1:{serving.port}" in last and "in use" in last and "--address" in last


def test_an_address_that_is_none_is_told(project: Path) -> None:
    done = build("serve", "--address", "nowhere", root=project)
    assert done.returncode == 1
    assert "'dev_addr': Must be a string of format 'IP:PORT'" in done.stderr
