"""Finds a Chrome or Chromium for the browser tests; run as a command, it also installs one.

Order: $CHROMIUM, an installed browser, Debian's package (as root on Debian), Playwright's own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
)
MISSING = (
    "no Chrome or Chromium for the browser tests: install one, set CHROMIUM=/path/to/it, "
    "or run `.venv/bin/playwright install chromium`"
)


def installed() -> str | None:
    """The path of an installed browser, Playwright's own included; None if there is none."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named if Path(named).is_file() else None
    for found in (*map(shutil.which, NAMES), *PLACES):
        if found and Path(found).is_file():
            return found
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).is_file() else None


def install() -> None:
    """Install a browser: Debian's as root there, else Playwright's own."""
    if Path("/etc/debian_version").exists() and hasattr(os, "geteuid") and os.geteuid() == 0:
        quiet = {"check": False, "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)  # type: ignore[call-overload]
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], **quiet)  # type: ignore[call-overload]
    if not installed():
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)


if __name__ == "__main__":
    if not installed():
        install()
    # A missing browser fails the browser tests with a sentence, not the set-up of the others.
    print(installed() or MISSING)
