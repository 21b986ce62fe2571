"""What the stages that read style sheets share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def split(tokens: Iterable[Any], sign: str) -> list[list[Any]]:
    """Parts of a list of tinycss2's tokens between those of a sign, without the comments."""
    parts: list[list[Any]] = [[]]
    for token in tokens:
        if token.type == "literal" and token.value == sign:
            parts.append([])
        elif token.type != "comment":
            parts[-1].append(token)
    return parts
