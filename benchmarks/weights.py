#!/usr/bin/env python3
"""What a browser is sent: first visit, second page, other hosts; beside stock mkdocs-jupyter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

import bench
import chromium
import local_server
from local_server import Sent, Served, serve
from tables import write_tables

VIEWPORT: ViewportSize = {"width": 1350, "height": 900}
Visit = dict[str, int]  # bytes as sent by kind, and "total"


def kind_of(sent: Sent) -> str:
    """What an answer counts as."""
    if sent.kind == "text/html":
        return "html"
    if sent.kind == "text/css":
        return "style"
    if "javascript" in sent.kind:
        return "script"
    if sent.kind.startswith("font/") or sent.path.endswith(".woff2"):
        return "font"
    if sent.kind.startswith("image/"):
        return "theme image" if sent.path.startswith("assets/") else "figure"
    return "data"


def sum_up(log: list[Sent]) -> Visit:
    """Bytes by kind; a figure that stands in the HTML counts as HTML."""
    visit: Counter[str] = Counter()
    for sent in log:
        visit[kind_of(sent)] += sent.size
    return {**dict(sorted(visit.items())), "total": visit.total()}


class Reader:
    """A browser with an empty cache, which says what it was sent and who else it asked."""

    def __init__(self, context: BrowserContext, server: Served) -> None:
        self.page = context.new_page()
        self.server = server
        self.elsewhere: list[str] = []
        self.seen = len(server.log)
        context.on("request", lambda request: self._requested(request.url))

    def _requested(self, url: str) -> None:
        if not url.startswith((self.server.url, "data:", "blob:")):
            self.elsewhere.append(url)

    def load(self, path: str) -> Visit:
        """Open a page by its address and read it to its end."""
        self.page.goto(self.server.url + path)
        return self._read()

    def follow(self, path: str) -> Visit:
        """Go to a page by a link of the one that is open."""
        address = self.server.url + path
        link = "address => [...document.links].find(a => a.href === address).click()"
        self.page.evaluate(link, address)
        self.page.wait_for_url(address)
        return self._read()

    def _read(self) -> Visit:
        _to_the_end(self.page)
        log = self.server.log[self.seen :]
        self.seen += len(log)
        missing = [sent.path for sent in log if sent.status == 404]
        if missing:
            sys.exit(f"not on the site: {', '.join(missing)}")
        return sum_up(log)


def _to_the_end(page: Page) -> None:
    """Scroll through the whole page, so that what is fetched late is fetched."""
    page.wait_for_load_state("networkidle")
    page.evaluate(
        """async () => {
          for (let y = 0; y < document.body.scrollHeight; y += innerHeight / 2) {
            scrollTo(0, y);
            await new Promise(done => setTimeout(done, 50));
          }
        }"""
    )
    page.wait_for_timeout(500)
    page.wait_for_load_state("networkidle")


def visits(browser: Browser, server: Served, paths: list[str]) -> dict[str, object]:
    """Each page as a first visit, and the next one after it by a link and by its address."""
    pages: dict[str, dict[str, Visit]] = {}
    elsewhere: set[str] = set()
    for first, second in zip(paths, paths[1:] + paths[:1], strict=True):
        found: dict[str, Visit] = {}
        for name in ("follow", "load"):
            with browser.new_context(viewport=VIEWPORT) as context:
                reader = Reader(context, server)
                found["first"] = reader.load(first)
                pages.setdefault(second, {})[f"second, {name}"] = getattr(reader, name)(second)
                elsewhere |= set(reader.elsewhere)
        pages.setdefault(first, {})["first"] = found["first"]
    hosts = sorted({urlsplit(url).netloc for url in elsewhere})
    return {"pages": pages, "other_hosts": hosts, "other_requests": len(elsewhere)}


def _build(command: list[str], environment: dict[str, str], folder: Path = bench.ROOT) -> None:
    if subprocess.run(command, cwd=folder, env=environment, check=False).returncode:
        sys.exit("no site to measure")


def ours(browser: Browser) -> dict[str, object]:
    """Build our site and visit its finished pages."""
    with (
        tempfile.TemporaryDirectory() as name,
        serve(Path(name) / "site", "/repo/") as server,
    ):
        command = [sys.executable, str(bench.ROOT / "scripts" / "build.py"), "site"]
        command += ["--output", str(server.folder)]
        environment = {**os.environ, "SITE_URL": server.url}
        _build(command, environment)
        listed = json.loads((server.folder / "questions.json").read_text("utf-8"))["questions"]
        return visits(browser, server, [q["url"] for q in listed if q["notebook"]])


def stock(browser: Browser) -> dict[str, object]:
    """Build stock mkdocs-jupyter on the same notebooks and visit them."""
    with tempfile.TemporaryDirectory() as name, serve(Path(name) / "site", "/repo/") as server:
        settings = bench.stock_project(Path(name) / "project", bench.ROOT / "notebooks", server.url)
        command = [sys.executable, "-m", "mkdocs", "build", "--quiet"]
        command += ["--config-file", str(settings), "--site-dir", str(server.folder)]
        _build(command, {**os.environ}, Path(name))
        return visits(browser, server, [f"{stem}/" for stem in bench.finished()])


def main() -> None:
    """Measure and keep the figures."""
    found = chromium.installed()
    if not found:
        sys.exit(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, chromium_sandbox=False, args=[local_server.ONLY_HERE]
        )
        figures = {"ours": ours(browser), "stock": stock(browser)}
        browser.close()
    bench.record("weights", figures)
    write_tables()


if __name__ == "__main__":
    main()
