"""The dark scheme before a script has chosen one, or where none runs.

A page says `data-md-color-scheme="default"`, the light one, until Material's script puts there what
the reader chose or what the system prefers; with that it always sets `data-md-color-media`. Until
then a system that prefers dark gets the dark scheme by these rules: copies of those of the scheme,
under another selector. Gzipped they weigh next to nothing, as they stand beside their originals.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import tinycss2

from stages.css import split

_DARK = re.compile(r"""\[\s*data-md-color-scheme\s*=\s*(["']?)slate\1\s*\]""")
# One element more than the selectors of the schemes, so that it counts against the light one.
_UNTOLD = "body:not([data-md-color-media])"


def _copies(nodes: Iterable[Any]) -> Iterator[str]:
    for node in nodes:
        if node.type == "at-rule" and node.lower_at_keyword in ("media", "supports"):
            if inner := "".join(_copies(tinycss2.parse_rule_list(node.content or (), True, True))):
                yield f"@{node.at_keyword}{tinycss2.serialize(node.prelude)}{{{inner}}}"
        elif node.type == "qualified-rule":
            selectors = (tinycss2.serialize(part).strip() for part in split(node.prelude, ","))
            dark = [_DARK.sub(_UNTOLD, s) for s in selectors if _DARK.search(s)]
            if dark:
                yield f"{','.join(dark)}{{{tinycss2.serialize(node.content).strip()}}}"


def dark_before_scripts(sheets: Iterable[str]) -> str:
    """The rules of these style sheets for the dark scheme, for when no script has chosen yet."""
    rules = "".join(
        rule for sheet in sheets for rule in _copies(tinycss2.parse_stylesheet(sheet, True, True))
    )
    return f"@media screen and (prefers-color-scheme:dark){{{rules}}}" if rules else ""
