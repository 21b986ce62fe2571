"""One page of every kind that a built site has, for tests that look at all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path


def kinds(site: Path) -> dict[str, str]:
    """Paths below the site's root by the names of kinds; new kinds are found in the sitemap.

    A kind is a folder of pages: `topics/` and the pages below it are two. Question pages are of
    two kinds, with a notebook and without.
    """
    places = re.findall(r"<loc>([^<]+)</loc>", (site / "sitemap.xml").read_text("utf-8"))
    home = min(places, key=len)
    found: dict[str, str] = {}
    for place in sorted(places):
        path = place.removeprefix(home)
        kind = re.sub(r"(?<=/)[^/]+/$", "…", path)
        found.setdefault(kind or "home", path)
    listed = json.loads((site / "questions.json").read_text("utf-8"))["questions"]
    found.pop("questions/…")
    # The last ones: they have the most claims, and the longest titles.
    found |= {"with notebook" if q["notebook"] else "bare": q["url"] for q in listed}
    return found | {"not found": "404.html"}
