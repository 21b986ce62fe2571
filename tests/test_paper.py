"""The pages for paper: everything unfolded, and the short answers."""

from __future__ import annotations

import re
from pathlib import Path

from samples import evidence, foreign, parse, published, words
from stages.paper import cheat_sheet, print_page
from stages.records import Claim
from stages.render import relocated, render_page
from test_pages import MEAN

from stages.pages import assemble  # isort: skip

TEXT = """A bank & more

1. Why `so`?
See also: 2

So [@one2000] [#gap]. See [the other](02-what.md).

## In depth

### A heading

Deep [@one2000].

## Often said

> Never.

Once [#gap].

## Follow-ups

### And?

Then.

## References

- [one2000] One (2000). A title. https://example.org

2. What?

That.

© 2026 Us
"""
BANK = parse(TEXT)
EVIDENCE = {BANK.questions[0].stem: evidence(Claim("gap", "The gap is large.", "gap 0.2"))}
PAGES = [render_page(q, EVIDENCE.get(q.stem), BANK) for q in BANK.questions]
STEM = BANK.questions[0].stem


def test_links_of_a_page_are_taken_one_folder_higher() -> None:
    page = "[a](#claim-x){ .c } [b](#ref-y) [c](02-b.md) [d](02-b.md#e) [f](../glossary.md#g) ![h](s/figure-1.0a.svg) [i](https://x.org) [j](#q)"
    assert relocated(page, "s") == (
        "[a](questions/s.md#claim-x){ .c } [b](questions/s.md#ref-y) [c](questions/02-b.md)"
        " [d](questions/02-b.md#e) [f](glossary.md#g) ![h](questions/s/figure-1.0a.svg)"
        " [i](https://x.org) [j](questions/s.md#q)"
    )
    assert relocated("[b](#ref-y) [a](#claim-x)", "s", reference="q1-") == (
        "[b](#q1-y) [a](questions/s.md#claim-x)"
    )


def test_code_is_not_read_for_links() -> None:
    code = "`[a](#part)` [b](#c)\n\n```text\n[a](#part)\n```\n\n[d](02-e.md)"
    assert relocated(code, "s") == (
        "`[a](#part)` [b](questions/s.md#c)\n\n```text\n[a](#part)\n```\n\n[d](questions/02-e.md)"
    )


def test_the_print_page_has_all_of_every_answer_unfolded() -> None:
    shown = published(print_page(BANK, PAGES, EVIDENCE))
    assert not foreign(shown, front=True)
    text = words(shown)
    for said in (
        "1. Why so?", "Deep", "A heading", "The gap is large.", "gap 0.2", "Never.", "Once",
        "And?", "Then.", "A title.", "2. What?", "That.",
    ):  # fmt: skip
        assert said in text, said
    assert "<details" not in shown
    ids = re.findall(r'id="([^"]*)"', shown)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'href="#([^"]*)"', shown):
        assert target in ids, target
    assert f'href="questions/{STEM}.md#claim-gap"' in shown


def test_headings_of_an_answer_stand_below_that_of_their_part() -> None:
    shown = published(print_page(BANK, PAGES, EVIDENCE))
    assert re.search(r"<h2[^>]*>1\. Why", shown)
    assert re.search(r"<h3[^>]*>In depth", shown)
    assert re.search(r"<h4[^>]*>A heading", shown)


def test_figures_come_with_the_print_page_and_code_does_not(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "01-mean.ipynb").write_text(MEAN, "utf-8")
    done = assemble(Path(__file__).parent / "golden" / "whole", tmp_path / "notebooks")
    shown = published(done.front["print.md"].decode())
    assert re.search(
        r'<img alt="[^"]*" .*src="questions/01-mean/figure-1\.[0-9a-f]{8}\.svg"', shown
    )
    assert "Figure 1. The mean is moved" in words(shown)
    assert "values()" not in shown


def test_the_cheat_sheet_has_the_short_answers_only() -> None:
    shown = published(cheat_sheet(BANK, PAGES))
    assert not foreign(shown, front=True)
    text = words(shown)
    assert "1. Why so?" in text and "That." in text and "Deep" not in text
    assert f'href="questions/{STEM}.md#ref-one2000"' in shown
