"""The dark scheme for pages of whose reader no script has told yet."""

from __future__ import annotations

import pytest

from stages.dark import dark_before_scripts

BEGIN, END = "@media screen and (prefers-color-scheme:dark){", "}"


@pytest.mark.parametrize(
    ("css", "copies"),
    [
        (
            '[data-md-color-scheme="slate"]{--x:1}',
            "body:not([data-md-color-media]){--x:1}",
        ),
        (
            ".a,[data-md-color-scheme=slate] p,.b{color:red}.c{color:red}",
            "body:not([data-md-color-media]) p{color:red}",
        ),
        (
            "@media screen{[data-md-color-scheme=slate]{--x:1}.c{color:red}}@media print{p{color:red}}",
            "@media screen{body:not([data-md-color-media]){--x:1}}",
        ),
        (
            ":is(p,[data-md-color-scheme='slate']) a{color:red}",
            ":is(p,body:not([data-md-color-media])) a{color:red}",
        ),
    ],
)
def test_rules_of_the_dark_scheme_are_copied(css: str, copies: str) -> None:
    assert dark_before_scripts([css]) == BEGIN + copies + END


def test_sheets_follow_each_other() -> None:
    one, two = (f"[data-md-color-scheme=slate]{{--{name}:1}}" for name in "ab")
    both = dark_before_scripts([one, ".c{color:red}", two])
    assert both.index("--a") < both.index("--b") and both.count("@media") == 1


def test_without_a_dark_scheme_nothing_is_added() -> None:
    assert dark_before_scripts(["[data-md-color-scheme=default]{--x:1}", ""]) == ""
