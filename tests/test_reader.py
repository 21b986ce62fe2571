"""What a reader gets: the home page and its filters, the measure, abbreviations, paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import Browser, Page, expect

from conftest import Visitor


@pytest.fixture(scope="module")
def data(site: Path) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((site / "questions.json").read_text("utf-8"))
    return loaded


@pytest.fixture(scope="module")
def questions(data: dict[str, object]) -> list[dict[str, object]]:
    listed = data["questions"]
    assert isinstance(listed, list)
    return listed


@pytest.fixture(scope="module")
def finished(questions: list[dict[str, object]]) -> str:
    return str(next(q["url"] for q in questions if q["notebook"]))


# ── home ───────────────────────────────────────────────────────────────────────────────────────


def test_one_screen_says_what_this_is_and_why_to_trust_it(
    visitor: Visitor, data: dict[str, object]
) -> None:
    page = visitor.open()
    counted = data["counts"]
    assert isinstance(counted, dict)
    for text in ("h1", ".subtitle", ".tally", ".example-said", ".example-found", ".tiles"):
        box = page.locator(f".md-content {text}").bounding_box()
        assert box and box["y"] + box["height"] <= 900, text
    tally = page.locator(".tally").inner_text().replace("\n", " ")
    for name in ("questions", "claims", "unchecked"):
        assert not counted[name] or str(counted[name]) in tally
    expect(page.locator('.tally a[href$="evidence/"]')).to_be_visible()


def test_every_question_is_one_click_from_home(
    visitor: Visitor, questions: list[dict[str, object]]
) -> None:
    page = visitor.open()
    for q in questions:
        link = page.locator(f'.shelf a[href$="{q["url"]}"]')
        expect(link).to_have_text(str(q["title"]))
    page.locator(f'.shelf a[href$="{questions[-1]["url"]}"]').click()
    expect(page.locator("article h1")).to_contain_text(str(questions[-1]["question"])[:20])


def shown(page: Page) -> list[str]:
    """The numbers of the questions that the home page shows."""
    numbers: list[str] = page.locator(".shelf li:visible .number").all_inner_texts()
    return numbers


def test_the_home_page_filters_by_level_topic_and_evidence(
    visitor: Visitor, questions: list[dict[str, object]]
) -> None:
    page = visitor.open()
    status = page.locator(".filtered")
    expect(status).to_have_text(f"{len(questions)} questions")
    page.get_by_label("advanced").check()
    advanced = {str(q["number"]) for q in questions if q["level"] == "advanced"}
    assert set(shown(page)) == advanced
    expect(status).to_have_text(f"{len(advanced)} of {len(questions)} questions")
    topic = next(q["topic"] for q in questions if q["level"] == "advanced")
    page.locator("select[name=topic]").select_option(label=str(topic))
    wanted = {
        str(q["number"]) for q in questions if q["level"] == "advanced" and q["topic"] == topic
    }
    assert set(shown(page)) == wanted
    assert "level=advanced&topic=" in page.url
    # A choice can be shared, and stands after going away and back.
    again = visitor.open(page.url.partition(visitor.served)[2])
    assert set(shown(again)) == wanted
    page.locator(".shelf li:visible a").first.click()
    page.wait_for_url("**/questions/**")
    page.go_back()
    page.wait_for_selector(".shelf")
    expect(page.get_by_label("advanced")).to_be_checked()
    assert set(shown(page)) == wanted
    page.get_by_label("all", exact=True).check()
    page.locator("select[name=topic]").select_option(label="all")
    page.get_by_label("checked only").check()
    assert set(shown(page)) == {str(q["number"]) for q in questions if q["notebook"]}
    # A topic without any is left out, with its heading.
    assert page.locator(".shelf .topic:visible").count() == len(
        {q["topic"] for q in questions if q["notebook"]}
    )


def test_a_filter_that_nobody_offers_is_passed_by(
    visitor: Visitor, questions: list[dict[str, object]]
) -> None:
    page = visitor.open("?level=impossible&topic=none&checked=yes")
    expect(page.get_by_label("all", exact=True)).to_be_checked()
    assert len(shown(page)) == len(questions)


def test_without_javascript_the_home_page_has_all_questions_and_no_filter(
    browser: Browser, served: str, questions: list[dict[str, object]]
) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(served)
        assert page.locator(".shelf li:visible").count() == len(questions)
        expect(page.locator(".filters")).to_be_hidden()


# ── a question's page ──────────────────────────────────────────────────────────────────────────

_LINES = """
() => [...document.querySelectorAll('.md-content__inner > p')]
  .filter(p => p.textContent.length > 300 && !p.querySelector('math'))
  .flatMap(p => {
    const range = document.createRange(), lines = new Map();
    const walker = document.createTreeWalker(p, NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode()); )
      for (let i = 0; i < node.length; i++) {
        range.setStart(node, i); range.setEnd(node, i + 1);
        const y = Math.round(range.getBoundingClientRect().bottom / 8);
        lines.set(y, (lines.get(y) || 0) + 1);
      }
    return [...lines.values()].slice(0, -1);
  })
"""


def test_a_line_of_running_text_has_65_to_75_characters(visitor: Visitor, finished: str) -> None:
    page = visitor.open(finished)
    lines = page.evaluate(_LINES)
    assert len(lines) > 20
    full = [count for count in lines if count > 30]  # superscripts count as lines of their own
    assert 65 <= median(full) <= 75, median(full)


def test_an_abbreviation_is_explained_on_hover_and_on_focus(
    visitor: Visitor, finished: str
) -> None:
    page = visitor.open(finished)
    term = page.locator("article a.term").first
    means = term.get_attribute("title")
    assert means
    page.evaluate("document.querySelector('article a.term').scrollIntoView({block: 'center'})")
    term.hover()
    tooltip = page.locator(".md-tooltip2--active")
    expect(tooltip).to_have_text(means)
    page.mouse.move(0, 0)
    expect(tooltip).to_have_count(0)
    term.focus()
    expect(tooltip).to_have_text(means)
    page.keyboard.press("Enter")
    page.wait_for_url("**/glossary/#*")
    expect(page.locator(":target")).to_be_in_viewport()


def test_a_question_leads_to_its_neighbours_and_to_related_ones(
    visitor: Visitor, questions: list[dict[str, object]]
) -> None:
    question = next(q for q in questions if q["notebook"])
    page = visitor.open(str(question["url"]))
    assert page.locator(".md-footer__link").count() == 2
    related = page.locator("#see-also + ul a")
    see_also = question["see_also"]
    assert isinstance(see_also, list)
    assert related.count() == len(see_also)


def test_the_ledger_leads_to_cells_and_to_a_filled_in_report(
    visitor: Visitor, questions: list[dict[str, object]]
) -> None:
    page = visitor.open("evidence/")
    claims = [c for q in questions for c in q["claims"]]  # type: ignore[attr-defined]
    assert page.locator(".ledger > li").count() == len(claims)
    for claim in claims:
        cell = page.locator(f'.ledger .links a[href$="{claim["url"]}"]')
        expect(cell).to_have_count(1)
    report = page.locator(".ledger .links a", has_text="Report it as wrong").first
    expect(report).to_have_attribute(
        "href", re.compile(r"^https://github\.com/someone/repo/issues/new\?title=")
    )


# ── paper ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def on_paper(browser: Browser, served: str) -> Iterator[Visitor]:
    """A reader who prefers dark, and prints."""
    with browser.new_context(
        viewport={"width": 720, "height": 1000}, color_scheme="dark"
    ) as context:
        yield Visitor(context, served)


def printed(reader: Visitor, path: str) -> Page:
    page = reader.open(path)
    page.emulate_media(media="print")
    page.wait_for_timeout(200)
    return page


def test_a_printed_page_is_light_unfolded_and_without_navigation(
    on_paper: Visitor, finished: str
) -> None:
    page = printed(on_paper, finished)
    for selector in (
        ".md-header",
        ".md-tabs",
        ".md-sidebar--primary",
        ".md-footer__inner",
        ".md-top",
    ):
        for found in page.locator(selector).all():
            expect(found).to_be_hidden()
    answers = page.locator("details.follow-up > p")
    assert answers.count() > 3
    for answer in answers.all():
        expect(answer).to_be_visible()
    colours = page.evaluate(
        "[getComputedStyle(document.body).colorScheme, getComputedStyle(document.body).backgroundColor]"
    )
    assert colours == ["light", "rgb(255, 255, 255)"]
    text = page.locator(".short-answer p").first.evaluate("e => getComputedStyle(e).color")
    assert text == "rgb(0, 0, 0)"


def test_printed_links_that_leave_the_site_show_their_address(
    on_paper: Visitor, finished: str
) -> None:
    page = printed(on_paper, finished)
    reference = page.locator(".references a").first
    after = reference.evaluate("e => getComputedStyle(e, '::after').content")
    assert "attr(href)" in after or "https://" in after
    inner = page.locator("article a.checked").first
    assert inner.evaluate("e => getComputedStyle(e, '::after').content") == "none"
    assert page.locator(".on-paper").inner_text().endswith(finished)


def test_printed_figures_are_not_broken_and_all_there(on_paper: Visitor) -> None:
    page = on_paper.open("print/")
    figures = page.locator("article figure img")
    assert figures.count() >= 6
    # Printing loads also what is far down the page.
    page.emulate_media(media="print")
    pdf = page.pdf(format="A4")
    assert len(pdf) > 100_000
    loaded = "() => [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    page.wait_for_function(loaded, timeout=10_000)
    for figure in page.locator("article figure").all():
        assert figure.evaluate("e => getComputedStyle(e).breakInside") == "avoid"


def test_the_print_page_has_every_answer(
    on_paper: Visitor, questions: list[dict[str, object]]
) -> None:
    page = on_paper.open("print/")
    assert page.locator("section.answer").count() == len(questions)
    sheet = on_paper.open("cheat-sheet/")
    assert sheet.locator("section.answer").count() == len(questions)
    assert sheet.locator("details").count() == 0


# ── on a phone ─────────────────────────────────────────────────────────────────────────────────


def test_no_question_scrolls_sideways_on_a_phone(
    browser: Browser, served: str, questions: list[dict[str, object]]
) -> None:
    width = "document.documentElement.scrollWidth"
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        for path in (*(str(q["url"]) for q in questions), "print/", "cheat-sheet/"):
            page.goto(served + path)
            assert page.evaluate(width) == 390, path
        # It would be noticed.
        page.evaluate("document.querySelector('article p').style.width = '500px'")
        assert page.evaluate(width) > 390
