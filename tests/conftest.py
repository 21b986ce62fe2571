"""What the browser tests share: the built site, a server of it under a sub-path, a browser."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

import chromium
from local_server import ONLY_HERE, Served, serve

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "/repo/"  # a project's site lies under its name
expect.set_options(timeout=15_000)  # ms: what comes at once takes longer where much else runs


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running server of a folder that is still to be filled: the site is built for its port."""
    with serve(tmp_path_factory.mktemp("served") / "site", PREFIX) as served:
        yield served


@pytest.fixture(scope="session")
def site(server: Served) -> Path:
    """The folder of the site, built once from the project's own text and notebooks."""
    command = [sys.executable, str(ROOT / "scripts" / "build.py"), "site"]
    done = subprocess.run(
        [*command, "--output", str(server.folder)],
        cwd=ROOT,
        env={**os.environ, "SITE_URL": server.url, "REPO_URL": "https://github.com/someone/repo"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"the project's own site cannot be built:\n{done.stderr}", pytrace=False)
    return server.folder


@pytest.fixture(scope="session")
def served(site: Path, server: Served) -> str:
    """The address of the built site's home page, under a sub-path, gzipped."""
    return server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium, without a window; it ends with its module.

    While Playwright runs, so does its event loop, and the runner of the notebooks needs its own.
    """
    found = chromium.installed()
    if not found:
        pytest.fail(chromium.MISSING, pytrace=False)
    with sync_playwright() as playwright:
        # As root, as in a container, Chromium refuses to start with its sandbox.
        started = playwright.chromium.launch(
            executable_path=found, chromium_sandbox=False, args=[ONLY_HERE]
        )
        yield started
        started.close()


class Visitor:
    """A reader with an empty cache; what went wrong and who else was asked is written down."""

    def __init__(self, context: BrowserContext, served: str) -> None:
        self.context = context
        self.served = served
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        context.on("request", lambda request: self._requested(request.url))
        context.on("console", lambda said: self._said(said.type, said.text))
        context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def _ours(self, url: str) -> bool:
        return url.startswith((self.served, "data:", "blob:", "about:"))

    def _requested(self, url: str) -> None:
        if not self._ours(url):
            self.elsewhere.append(url)

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.errors.append(text)

    def open(self, path: str = "") -> Page:
        """Load a page of the site, by its path below the site's root, in a new tab."""
        page = self.context.new_page()
        page.goto(self.served + path)
        page.wait_for_load_state("networkidle")
        return page


@pytest.fixture
def visitor(browser: Browser, served: str) -> Iterator[Visitor]:
    """A reader at a wide screen; at the end nobody else may have been asked, nothing gone wrong."""
    with browser.new_context(viewport={"width": 1350, "height": 900}) as context:
        someone = Visitor(context, served)
        yield someone
    assert someone.elsewhere == []
    assert someone.errors == []
