"""The study mode: its page, and the one script that runs it.

Without JavaScript the page is a list of all questions, their answers folded. `docs/assets/study.js`
makes one question at a time of it, scheduled by ts-fsrs, which npm brings in and nobody commits.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stages.front import by_topic
from stages.prose import inline_html, plain_literal, plain_text
from stages.records import LEVELS, NOT_CHECKED, Bank, Evidence
from stages.render import Page, relocated
from stages.template import fill, front_matter

SCRIPT, STYLE = "assets/study.js", "assets/study.css"  # in docs/
LIBRARY = "node_modules/ts-fsrs"
LEFT_OUT = f"{LIBRARY} is missing, so the study page has no scheduler; `make site` brings it in"

_WAITS = " study-waits"  # the list is not shown before the script has had its chance
_NO_JAVASCRIPT = (
    "This is the list of all questions, each with its answer folded. Grading and scheduling need "
    "JavaScript, which is off here or did not load. Nothing that you do here leaves your browser."
)
_NO_SCHEDULER = (
    "This is the list of all questions, each with its answer folded. This copy was built without "
    "its scheduler; <code>make site</code> with Node.js 20 brings it in."
)


def study_page(bank: Bank, pages: Sequence[Page], evidence: Mapping[str, Evidence]) -> str:
    """The Markdown of the study page: every question by topic, its short answer folded."""
    moved: Callable[..., str] = relocated
    return fill(
        "study.md",
        front=front_matter(
            "Study",
            f"The questions of “{plain_text(bank.title)}” one at a time, the answer hidden until "
            "asked for, scheduled by what you remember and kept in your browser.",
            hide=["toc", "navigation", "footer"],
            searched=False,
            scripts=[SCRIPT],
            styles=[STYLE],
        ),
        topics=by_topic(bank),
        parts={page.stem: page.parts for page in pages},
        evidence=evidence,
        waits=_WAITS,
        levels=" ".join(LEVELS),
        no_javascript=_NO_JAVASCRIPT,
        not_checked=NOT_CHECKED,
        moved=moved,
        inline=inline_html,
        plain=plain_literal,
        attribute=lambda text: html.escape(plain_text(text), quote=True),
    )


def without_scheduler(content: str) -> str:
    """The HTML of the study page for a site that lacks its script: the list, and why."""
    return content.replace(_NO_JAVASCRIPT, _NO_SCHEDULER).replace(_WAITS, "", 1)


def study_script(root: Path) -> bytes | None:
    """The script that the site serves: ts-fsrs with its licence, then ours; None without ts-fsrs.

    They are one file because a browser runs scripts that were added later in any order, which is
    how instant navigation adds them.

    Args:
        root: the project, with node_modules/ and docs/.
    """
    library = root / LIBRARY
    try:
        about = json.loads((library / "package.json").read_text("utf-8"))
        licence = (library / "LICENSE").read_text("utf-8").strip()
        code = (library / "dist" / "index.umd.js").read_text("utf-8")
    except FileNotFoundError:
        return None
    # The map of its source is not served.
    code = "\n".join(line for line in code.splitlines() if "# sourceMappingURL=" not in line)
    ours = (root / "docs" / SCRIPT).read_text("utf-8")
    return (
        f"/*! {about['name']} {about['version']}, {about['license']}\n\n{licence}\n*/\n"
        f"{code}\n\n{ours}"
    ).encode()
