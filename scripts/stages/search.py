"""The search index: kept short, and fetched by the browser only when somebody searches.

Material fetches `search/search_index.json` on every page. Here that file holds the settings alone,
which highlighting needs, and names the whole index, which `assets/search-worker.js` fetches.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from stages.write import write_if_changed

WORKER = "assets/search-worker.js"
INDEX = "search/search_index.json"
# None of these holds another element of its own name, so that the first end is the right one.
_UNSEARCHED = re.compile(
    r"<math\b.*?</math>"
    r'|<(a|details|div|pre) class="(?:cell-link|folded|highlight|output)\b.*?</\1>',
    re.DOTALL,
)


def searched(html: str) -> str:
    """What of a page's content is searched: no code, printed output, cell numbers or formulas.

    Prose, captions, claims and measured values stay. Material reads what it searches with a slow
    parser, to which code and formulas are nine tenths of a page.
    """
    return _UNSEARCHED.sub("", html)


def split_index(index: bytes) -> tuple[str, bytes]:
    """The name for a whole index, with a hash, and what stands in its place.

    The name is relative to the site's root, in the stand-in relative to the worker's folder.
    """
    digest = hashlib.sha256(index).hexdigest()[:8]
    name = INDEX.replace(".json", f".{digest}.json")
    settings = {**json.loads(index)["config"], "index": f"../{name}"}
    stand_in = json.dumps({"config": settings, "docs": []}, separators=(",", ":"))
    return name, stand_in.encode("utf-8")


def whole_index(site: Path) -> Path:
    """The file of a built site that holds the whole search index."""
    index = site / INDEX
    name = json.loads(index.read_bytes())["config"].get("index")
    return site / name.removeprefix("../") if name else index


def defer_index(site: Path) -> None:
    """Put the whole index aside in a built site whose pages name our worker.

    Where they don't (a theme that starts its worker in another way), the search stays the theme's.
    """
    home, index = site / "index.html", site / INDEX
    worker = f'"{WORKER.removesuffix("js")}'
    if not (index.is_file() and home.is_file() and worker in home.read_text("utf-8")):
        return
    name, stand_in = split_index(index.read_bytes())
    index.replace(site / name)
    write_if_changed(index, stand_in)
