"""The study mode: its page, its script, and what a reader does with it in a browser."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, BrowserContext, Page, expect

from conftest import Visitor
from samples import made, published
from stages.check import STUDY_LIMIT
from stages.study import LIBRARY, study_script, without_scheduler
from workbench import PLAIN, ROOT, build, copy_repository, passed, refused, write

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
# Without npm the site has no study mode; where the project is checked (CI is set), npm is there.
pytestmark = pytest.mark.skipif(
    not (ROOT / LIBRARY).is_dir() and not os.environ.get("CI"),
    reason="npm has not brought in ts-fsrs",
)

TOPICS = """A bank

1. What is a mean?
Title: Mean
Topic: Averages & more
Level: basic

The sum divided by the count $n$, see [the other](02-median.md).

2. What is a <median>?
Title: Median
Topic: Order
Level: core

The middle of the sorted values.

3. What is a mode?

The most frequent value.
"""


# ── the page ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Markdown of the study page of a small text."""
    text = TOPICS.replace("<median>", "`median`").replace(", see [the other](02-median.md)", "")
    return made(text, tmp_path_factory.mktemp("small")).front["study.md"].decode()


def test_the_page_holds_every_question_folded_by_topic(small: str) -> None:
    html = published(small)
    found = re.findall(
        r'<h2 id="topic-\d">(.*?)<a|<details class="card"([^>]*)>\s*<summary>(.*?)</summary>', html
    )
    assert [unescape(topic or question) for topic, _, question in found] == [
        "Averages & more",
        "What is a mean?",
        "Order",
        "What is a <code>median</code>?",
        "Questions",
        "What is a mode?",
    ]
    assert 'id="card-02-median"' in html and " open" not in html
    assert 'data-topic="Averages &amp; more"' in html and 'data-level="core"' in html
    assert 'data-level=""' in html and 'data-levels="basic core advanced"' in html


def test_an_answer_is_whole_and_links_to_its_page(small: str) -> None:
    (card,) = re.findall(r'id="card-01-mean".*?</details>', published(small), re.DOTALL)
    assert "The sum divided by the count" in card and "<math>" in card
    assert '<a href="questions/01-mean.md">1. Mean</a>' in card
    assert "Not yet checked by an experiment" in card


def test_the_page_names_its_files_and_stays_out_of_the_search(small: str) -> None:
    front = yaml.safe_load(small.split("---\n")[1])
    assert (front["scripts"], front["styles"]) == (["assets/study.js"], ["assets/study.css"])
    assert front["search"] == {"exclude": True}


def test_the_page_says_what_it_lacks(small: str) -> None:
    html = published(small)
    assert "need JavaScript" in html and "study-waits" in html
    lacking = without_scheduler(html)
    assert "need JavaScript" not in lacking and "study-waits" not in lacking
    assert "built without its scheduler; <code>make site</code> with Node.js 20" in lacking


# ── the script ─────────────────────────────────────────────────────────────────────────────────


def test_the_script_is_the_library_with_its_licence_then_ours() -> None:
    script = study_script(ROOT)
    assert script
    text = script.decode()
    assert re.match(r"/\*! ts-fsrs \d+\.\d+\.\d+, MIT\n\nMIT License\n\nCopyright \(c\) ", text)
    ours = (ROOT / "docs" / "assets" / "study.js").read_text("utf-8")
    assert text.endswith(ours)
    assert text.index("factory(global.FSRS") < text.index(ours)
    assert "sourceMappingURL" not in text
    assert not re.search(r"\beval\(|new Function\b|\bFunction\(|innerHTML|\.style\b", text)


def test_without_the_library_there_is_no_script(tmp_path: Path) -> None:
    assert study_script(tmp_path) is None


@pytest.fixture(scope="module")
def bare_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as a plain `pip install` has it: nothing from npm."""
    project = copy_repository(tmp_path_factory.mktemp("bare") / "project")
    shutil.rmtree(project / "node_modules", ignore_errors=True)
    return project


def test_a_build_without_the_library_says_so_and_is_not_published(
    bare_project: Path, tmp_path: Path
) -> None:
    source = write(tmp_path, "text.txt", PLAIN)
    site = tmp_path / "site"
    said = passed(build("site", "--source", source, "--output", site, root=bare_project))
    assert said.count("note: node_modules/ts-fsrs is missing") == 1
    html = (site / "study" / "index.html").read_text("utf-8")
    assert "This copy was built without its scheduler" in html
    assert "assets/study." in html, "its style sheet"
    assert not re.search(r"<script[^>]*study", html)
    assert not list((site / "assets").glob("study*.js"))
    faults = (
        "study/index.html: the page has no scheduler, because ts-fsrs was missing; install Node"
    )
    refused(build("check", site, root=bare_project), faults)


def test_the_study_page_keeps_its_weight(site: Path) -> None:
    files = [site / "study" / "index.html", *(site / "assets").glob("study.*")]
    assert len(files) == 3
    assert sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) <= STUDY_LIMIT


# ── the pure functions, in Node.js ─────────────────────────────────────────────────────────────

RUNNER = """
const { readFileSync } = require("node:fs");
const context = require("node:vm").createContext({});
require("node:vm").runInContext(readFileSync(0, "utf-8"), context);
console.log(context.answer);
"""
PREPARED = """
const at = (text) => Date.parse(text);
const say = (value) => JSON.stringify(value, (_, v) => (v instanceof Map ? [...v] : v));
const after = (...steps) => steps.reduce(
  (progress, [stem, rating, when]) => studyMode.graded(progress, stem, rating, at(when)).progress,
  studyMode.emptyProgress());
const refusal = (text) => { try { studyMode.readProgress(text); } catch (e) { return e.message; } };
"""


def node(expression: str, zone: str = "UTC") -> Any:
    """The value of an expression over the script's pure functions, in a time zone."""
    script = study_script(ROOT)
    assert script
    code = f"{script.decode()}\n{PREPARED}\nglobalThis.answer = say({expression});"
    done = subprocess.run(
        ["node", "-e", RUNNER],
        input=code,
        env={**os.environ, "TZ": zone},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_grades_move_a_card_as_fsrs_says() -> None:
    shown = node("""
      Object.values(studyMode.outcomes(undefined, at("2026-03-02T12:00:00.000Z")))
        .map((record) => studyMode.interval(record))
    """)
    assert shown == ["1 min", "6 min", "10 min", "8 days"]
    days = node("""
      (() => {
        const easy = after(["a", 4, "2026-03-02T12:00:00.000Z"]);
        return Object.values(studyMode.outcomes(easy.cards.get("a"), at("2026-03-10T12:00:00.000Z")))
          .map((record) => record.scheduled_days);
      })()
    """)
    assert days[0] == 0 and days[1] < days[2] < days[3]


def test_a_day_is_the_readers_own_and_begins_at_four() -> None:
    days = """["2026-03-02T14:59:00.000Z", "2026-03-02T15:01:00.000Z"].map((t) => studyMode.dayOf(at(t)))"""
    before, later = node(days, "Pacific/Auckland")  # 03:59 and 04:01 there
    assert later == before + 1
    same = node(days)
    assert same[0] == same[1]


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles", "UTC"])
def test_a_card_of_days_is_due_from_the_start_of_its_day(zone: str) -> None:
    """Studied late in the evening, asked again from the morning on, after whole days for FSRS."""
    found = node(
        """
      (() => {
        const evening = new Date(2026, 2, 2, 23, 30).getTime();
        const { progress } = studyMode.graded(studyMode.emptyProgress(), "a", 4, evening);
        const record = progress.cards.get("a");
        const due = [9, 10].map((day) => studyMode.isDue(record, new Date(2026, 2, day, 4, 5).getTime()));
        const morning = studyMode.outcomes(record, new Date(2026, 2, 10, 4, 5).getTime());
        const night = studyMode.outcomes(record, new Date(2026, 2, 10, 23, 30).getTime());
        return [due, morning[3].scheduled_days === night[3].scheduled_days, morning[3].stability > 10];
      })()
    """,
        zone,
    )
    assert found == [[False, True], True, True]


def test_a_clock_that_goes_backwards_breaks_nothing() -> None:
    found = node("""
      (() => {
        const ahead = after(["a", 4, "2031-01-01T12:00:00.000Z"]);
        const now = at("2026-03-02T12:00:00.000Z");
        const plan = studyMode.planned(["a"], ahead, now);
        const { progress, step } = studyMode.graded(ahead, "a", 3, now);
        return [plan.queue, progress.cards.get("a").last_review, step.after.due > step.after.last_review,
                studyMode.isDue(progress.cards.get("a"), now)];
      })()
    """)
    assert found == [["a"], "2026-03-02T12:00:00.000Z", True, False]


def test_the_order_is_steps_then_due_then_new_then_steps_to_come() -> None:
    found = node("""
      (() => {
        const progress = after(
          ["review", 4, "2026-02-01T12:00:00.000Z"], ["later", 4, "2026-03-01T12:00:00.000Z"],
          ["step", 1, "2026-03-02T11:50:00.000Z"], ["soon", 3, "2026-03-02T11:59:00.000Z"]);
        const stems = ["new1", "later", "review", "soon", "new2", "new3", "step"];
        progress.settings.perDay = 4;
        return studyMode.planned(stems, progress, at("2026-03-02T12:00:00.000Z"));
      })()
    """)
    assert found["queue"] == ["step", "review", "new1", "new2", "soon"]
    assert (found["due"], found["fresh"], found["unseen"], found["started"]) == (3, 2, 1, 2)
    assert found["answers"] == 2 and found["done"] == 0
    assert found["next"]["last_review"] == "2026-03-01T12:00:00.000Z"


def test_a_merge_takes_the_newest_review_of_each_card() -> None:
    found = node("""
      (() => {
        const ours = after(["a", 3, "2026-03-02T12:00:00.000Z"], ["b", 3, "2026-03-05T12:00:00.000Z"]);
        const theirs = after(["b", 1, "2026-03-04T12:00:00.000Z"], ["a", 1, "2026-03-04T12:00:00.000Z"],
                             ["c", 4, "2026-03-01T12:00:00.000Z"]);
        theirs.settings.perDay = 3;
        const { progress, report } = studyMode.mergeProgress(ours, theirs);
        const again = studyMode.mergeProgress(progress, theirs);
        return [report, [...progress.cards].map(([stem, r]) => [stem, r.last_review.slice(8, 10)]),
                progress.log.map((e) => e.card + e.at.slice(8, 10)).join(" "), progress.settings.perDay,
                studyMode.writeProgress(again.progress) === studyMode.writeProgress(progress)];
      })()
    """)
    assert found == [
        {"added": 1, "newer": 1, "kept": 1},
        [["a", "04"], ["b", "05"], ["c", "01"]],
        "c01 a02 b04 a04 b05",
        10,
        True,
    ]


def test_what_is_written_is_read_again() -> None:
    found = node("""
      (() => {
        const progress = after(["z", 3, "2026-03-02T12:00:00.000Z"], ["a", 1, "2026-03-02T12:01:00.000Z"]);
        const text = studyMode.writeProgress(progress);
        const undone = studyMode.graded(progress, "a", 3, at("2026-03-02T12:09:00.000Z"));
        const back = studyMode.takenBack(undone.progress, undone.step);
        return [studyMode.writeProgress(studyMode.readProgress(text)) === text,
                studyMode.writeProgress(back) === text,
                studyMode.takenBack(progress, undone.step)];
      })()
    """)
    assert found == [True, True, None]


def test_intervals_are_said_in_words() -> None:
    found = node("""
      [[0, 5], [0, 90], [1], [59], [61], [699], [1000]].map(([days, minutes = 0]) => studyMode.interval({
        due: new Date(at("2026-01-01T00:00:00.000Z") + minutes * 60000).toISOString(),
        last_review: "2026-01-01T00:00:00.000Z", scheduled_days: days }))
    """)
    assert found == ["5 min", "2 hours", "1 day", "59 days", "2 months", "23 months", "2.7 years"]


def progress(*cards: str, **changes: Any) -> dict[str, Any]:
    """Progress as a file holds it, with these cards reviewed on 2 March 2026 for 8 days."""
    record = {
        "due": "2026-03-10T12:00:00.000Z",
        "last_review": "2026-03-02T12:00:00.000Z",
        "stability": 8.3,
        "difficulty": 1.0,
        "scheduled_days": 8,
        "learning_steps": 0,
        "reps": 1,
        "lapses": 0,
        "state": 2,
    }
    entry = {"at": "2026-03-02T12:00:00.000Z", "rating": 4, "state": 0}
    return {
        "format": "study-progress",
        "version": 1,
        "cards": dict.fromkeys(cards, record | changes),
        "log": [{"card": card, **entry} for card in cards],
    }


HOSTILE: dict[str, tuple[str, str]] = {
    "empty": ("", "it is not JSON."),
    "not JSON": ("{cards:", "it is not JSON."),
    "another thing": ('{"format": "anki"}', "it is not study progress"),
    "a list": ("[]", "it is not study progress"),
    "null": ("null", "it is not study progress"),
    "a newer version": (
        json.dumps(progress() | {"version": 2}),
        "it has version “2” of the format, and this page reads version 1.",
    ),
    "no cards": (json.dumps(progress() | {"cards": []}), "it has no cards."),
    "no log": (json.dumps(progress() | {"log": {}}), "it has no log."),
    "a card that is none": (
        json.dumps(progress() | {"cards": {"a": 3}}),
        "the card “a” is not a record.",
    ),
    "a day that is none": (
        json.dumps(progress("a", due="2026-02-31T12:00:00.000Z")),
        "the due date of the card “a” is not a date: “2026-02-31T12:00:00.000Z”.",
    ),
    "a date as a number": (
        json.dumps(progress("a", last_review=1e12)),
        "the last review of the card “a” is not a date: “1000000000000”.",
    ),
    "due before it was seen": (
        json.dumps(progress("a", due="2026-03-01T12:00:00.000Z")),
        "the card “a” is due before it was last reviewed.",
    ),
    "no number": (
        json.dumps(progress("a", stability=None)),
        "the stability of the card “a” is not a number from 0.001 to 36500: “null”.",
    ),
    "a number that overflows": (
        json.dumps(progress("a")).replace("8.3", "1e999"),
        "the stability of the card “a” is not a number from 0.001 to 36500",
    ),
    "half a review": (
        json.dumps(progress("a", reps=1.5)),
        "the number of reviews of the card “a” is not a whole number: “1.5”.",
    ),
    "a fifth grade": (
        json.dumps(
            progress()
            | {"log": [{"card": "a", "at": "2026-03-02T12:00:00.000Z", "rating": 5, "state": 0}]}
        ),
        "the grade of entry 1 of the log is not a number from 1 to 4: “5”.",
    ),
    "settings of another kind": (
        json.dumps(progress() | {"settings": {"perDay": "many"}}),
        "the setting “perDay” is “many”, which it cannot be.",
    ),
    "settings out of range": (
        json.dumps(progress() | {"settings": {"perDay": -1}}),
        "the number of new questions a day is not a number from 0 to 1000: “-1”.",
    ),
    "a prototype": (
        json.dumps(progress("a")).replace('"cards": {', '"cards": {"__proto__": {"due": 1}, '),
        "it holds the key “__proto__”, which no progress has.",
    ),
    "a constructor": (
        json.dumps(progress() | {"cards": {"constructor": {"prototype": {"polluted": True}}}}),
        "the due date of the card “constructor” is not a date: “nothing”.",
    ),
    "a name of control characters": (json.dumps(progress("a\u0007")), "has no name that"),
}  # fmt: skip


def test_a_text_that_is_no_progress_is_refused_with_a_sentence() -> None:
    texts = json.dumps([text for text, _ in HOSTILE.values()])
    said = node(f"{texts}.map(refusal)")
    for (name, (_, sentence)), found in zip(HOSTILE.items(), said, strict=True):
        assert found and sentence in found and found.endswith("."), name
    assert node("[{}.polluted === undefined, Object.prototype.due === undefined]") == [True, True]


def test_settings_that_a_file_lacks_are_the_usual_ones() -> None:
    text = json.dumps(json.dumps(progress("a")))
    assert node(f"studyMode.readProgress({text}).settings.perDay") == 10


# ── in the browser ─────────────────────────────────────────────────────────────────────────────

MONDAY = datetime(2026, 3, 2, 9, 0)
KEY = "study-progress:/repo/"
ALL = 25


@pytest.fixture
def study(visitor: Visitor) -> Iterator[Page]:
    """The study page of a reader who has never been there, on a Monday morning."""
    yield opened(visitor.context, visitor.served)


def opened(context: BrowserContext, served: str, when: datetime = MONDAY, hash: str = "") -> Page:
    page = context.new_page()
    page.clock.install(time=when)
    page.goto(f"{served}study/{hash}")
    expect(page.locator(".study-counts")).to_be_visible()
    return page


def press(page: Page, keys: str) -> None:
    """Press keys one after the other; `_` is the space bar."""
    for key in keys:
        page.keyboard.press("Space" if key == "_" else key)


def stored(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(page.evaluate(f"localStorage.getItem({KEY!r})"))
    return found


def question(page: Page) -> str:
    return page.locator(".study-question").inner_text()


def counted(page: Page, text: str) -> None:
    expect(page.locator(".study-counts")).to_have_text(text)


def focused(page: Page) -> str:
    name: str = page.evaluate("document.activeElement.className || document.activeElement.tagName")
    return name.split()[0]  # Material adds one


def settings(page: Page) -> None:
    page.locator(".study-settings > summary").click()
    elsewhere(page)


def elsewhere(page: Page) -> None:
    """Take the focus off what was clicked last: it has Space and Enter for itself."""
    page.evaluate("document.activeElement.blur()")


def exported(page: Page) -> dict[str, Any]:
    with page.expect_download() as loading:
        page.locator(".study-settings").get_by_role("button", name="Export", exact=True).click()
    download = loading.value
    assert re.fullmatch(r"study-progress-\d{4}-\d\d-\d\d\.json", download.suggested_filename)
    found: dict[str, Any] = json.loads(Path(download.path()).read_text("utf-8"))
    return found


def imported(page: Page, text: str | bytes, name: str = "progress.json") -> str:
    """What the page says after the import of a file."""
    data = text.encode() if isinstance(text, str) else text
    outcome = page.locator(".study-outcome")
    page.evaluate("document.querySelector('.study-outcome').textContent = ''")
    page.locator(".study-settings input[type=file]").set_input_files(
        {"name": name, "mimeType": "application/json", "buffer": data}
    )
    expect(outcome).not_to_be_empty()
    return outcome.inner_text()


def test_first_use(study: Page) -> None:
    counted(study, "0 due, 10 new, 0 done today")
    expect(study.locator(".study-list")).to_be_hidden()
    expect(study.locator(".study-how")).to_be_visible()
    expect(study.locator(".study-answer")).to_be_hidden()
    expect(study.locator(".study-facts")).to_have_text("Question 1 of 10 · Foundations · basic")
    assert focused(study) == "BODY", "a page does not take the focus when it opens"
    study.get_by_role("button", name="Show the answer").click()
    assert focused(study) == "study-answer-head"
    buttons = study.get_by_role("group", name="How well did you know it?").get_by_role("button")
    names = buttons.evaluate_all("all => all.map(one => one.innerText.replace(/\\s+/g, ' '))")
    assert [re.sub(r"^\d ?", "", name) for name in names] == [
        "Again , comes back in 1 min",
        "Hard , comes back in 6 min",
        "Good , comes back in 10 min",
        "Easy , comes back in 8 days",
    ]
    assert study.evaluate("localStorage.length >= 0 && localStorage.getItem('" + KEY + "')") is None
    study.get_by_role("button", name="Easy").click()
    assert focused(study) == "study-question"
    expect(study.locator(".study-app [role=status]").last).to_have_text(
        "Easy: comes back in 8 days. Question 2 of 10."
    )
    counted(study, "0 due, 9 new, 1 done today")
    assert list(stored(study)["cards"]) == ["01-deep-learning"]


def test_ten_cards_by_keyboard_alone(study: Page) -> None:
    asked = []
    for key in "4444444444":
        asked.append(question(study))
        study.keyboard.press("Enter" if len(asked) % 2 else "Space")
        study.keyboard.press(key)
    assert len(set(asked)) == 10
    expect(study.locator(".study-question")).to_have_text("Done for now")
    expect(study.locator(".study-end")).to_contain_text("10 questions done today.")
    expect(study.locator(".study-end")).to_contain_text("The next question comes back in 8 days.")
    counted(study, "0 due, 0 new, 10 done today")
    assert focused(study) == "study-question"
    press(study, "1234_")
    assert len(stored(study)["log"]) == 10
    study.get_by_role("button", name="Go on with 5 new questions").click()
    counted(study, "0 due, 5 new, 10 done today")
    assert focused(study) == "study-question"


def test_what_was_not_known_comes_back_in_the_session(study: Page) -> None:
    first = question(study)
    press(study, "_1")
    counted(study, "1 due, 9 new, 0 done today")
    assert question(study) != first
    press(study, "_4")
    study.clock.fast_forward("01:30")
    press(study, "_4")
    assert question(study) == first, "its minute is over"
    expect(study.locator(".study-facts")).to_contain_text("Question 4 of 11")


def test_steps_to_come_are_asked_when_nothing_else_is_left(study: Page) -> None:
    first = question(study)
    press(study, "_1" + "_4" * 9)
    assert question(study) == first
    press(study, "_4")
    expect(study.locator(".study-question")).to_have_text("Done for now")


def test_the_schedule_is_kept_over_days(visitor: Visitor) -> None:
    page = opened(visitor.context, visitor.served)
    first = question(page)
    press(page, "_4" * 10)
    page.reload()
    expect(page.locator(".study-question")).to_have_text("Done for now")
    page.close()
    page = opened(visitor.context, visitor.served, MONDAY + timedelta(days=1))
    counted(page, "0 due, 10 new, 0 done today")
    page.close()
    # At seven in the morning of its day, though it was graded at nine.
    page = opened(visitor.context, visitor.served, MONDAY + timedelta(days=8, hours=-2))
    counted(page, "10 due, 10 new, 0 done today")
    assert question(page) == first
    press(page, "_")
    expect(page.locator(".study-grades .study-good .study-interval")).to_have_text(
        re.compile(r"\d+ days|\d months?")
    )
    press(page, "3" + "_3" * 9)
    counted(page, "0 due, 10 new, 10 done today")
    page.close()
    page = opened(visitor.context, visitor.served, MONDAY + timedelta(days=9))
    counted(page, "0 due, 10 new, 0 done today")


def test_the_page_wakes_up_when_something_becomes_due(study: Page) -> None:
    press(study, "_4" * 10)
    expect(study.locator(".study-question")).to_have_text("Done for now")
    study.clock.fast_forward("23:00:00")
    study.clock.run_for(61_000)
    counted(study, "0 due, 10 new, 0 done today")
    expect(study.locator(".study-app [role=status]").last).to_contain_text(
        "The schedule has changed"
    )


def test_a_grade_is_taken_back(study: Page) -> None:
    first = question(study)
    press(study, "_1_4u")
    assert question(study) != first and focused(study) == "study-answer-head"
    press(study, "u")
    assert question(study) == first
    expect(study.locator(".study-answer")).to_be_visible()
    expect(study.locator(".study-app [role=status]").last).to_have_text(
        "Taken back: Again. Grade it again."
    )
    assert stored(study)["cards"] == {} and stored(study)["log"] == []
    expect(study.get_by_role("button", name="Undo")).to_be_hidden()
    press(study, "u")
    press(study, "4")
    assert [entry["rating"] for entry in stored(study)["log"]] == [4]


def test_filters_are_kept_and_the_counts_follow(study: Page) -> None:
    study.get_by_label("Topic").select_option("Architectures")
    number = study.locator(".study-list details[data-topic=Architectures]").count()
    counted(study, f"0 due, {number} new, 0 done today")
    expect(study.locator(".study-facts")).to_contain_text("· Architectures ·")
    study.get_by_label("Level").select_option("basic")
    selector = ".study-list details[data-topic=Architectures][data-level=basic]"
    counted(study, f"0 due, {study.locator(selector).count()} new, 0 done today")
    study.reload()
    assert study.get_by_label("Topic").input_value() == "Architectures"
    assert study.get_by_label("Level").input_value() == "basic"
    study.evaluate(
        f"localStorage.setItem({KEY!r}, localStorage.getItem({KEY!r}).replace('basic', 'none'))"
    )
    study.reload()
    expect(study.locator(".study-question")).to_have_text("No question fits")
    study.get_by_role("button", name="Study all topics and levels").click()
    counted(study, "0 due, 10 new, 0 done today")


def test_the_number_of_new_questions_is_a_setting(study: Page) -> None:
    settings(study)
    field = study.get_by_label("New questions a day")
    field.fill("2")
    field.blur()
    counted(study, "0 due, 2 new, 0 done today")
    field.fill("-3")
    field.blur()
    assert field.input_value() == "2"
    press(study, "_4_4")
    expect(study.locator(".study-question")).to_have_text("Done for now")
    field.fill("0")
    field.blur()
    study.get_by_role("button", name="Go on with 5 new questions").click()
    counted(study, "0 due, 5 new, 2 done today")


def test_single_keys_can_be_turned_off(study: Page) -> None:
    switch = study.get_by_label("Single keys")
    show = study.get_by_role("button", name="Show the answer")
    expect(show).to_have_attribute("aria-keyshortcuts", "Space Enter")
    switch.uncheck()
    switch.blur()
    press(study, "_")
    expect(study.locator(".study-answer")).to_be_hidden()
    study.reload()
    expect(switch).not_to_be_checked()
    expect(show).not_to_have_attribute("aria-keyshortcuts", re.compile(""))
    show.focus()
    press(study, "_4u")
    assert "log" in stored(study) and stored(study)["log"] == []
    study.get_by_role("button", name="Easy").press("Enter")
    assert len(stored(study)["log"]) == 1
    switch.check()
    switch.blur()
    press(study, "u")
    assert stored(study)["log"] == []


def test_keys_are_left_to_where_the_reader_is(study: Page) -> None:
    press(study, "_")
    for place in ("Topic", "Single keys"):
        study.get_by_label(place).focus()
        press(study, "4")
    for key in ("Control+4", "Alt+4", "Shift+Digit4"):
        study.locator(".study-answer-head").focus()
        study.keyboard.press(key)
    study.keyboard.press("/")
    expect(study.locator(".md-search__input")).to_be_focused()
    press(study, "4_34")
    study.locator(".md-search__input").press("Escape")
    expect(study.locator("#__search")).not_to_be_checked()
    settings(study)
    study.get_by_role("button", name="Start over …").click()
    press(study, "4")
    study.keyboard.press("Escape")
    assert study.evaluate(f"localStorage.getItem({KEY!r})") is None
    study.locator(".study-card a").last.focus()
    press(study, "4")
    assert len(stored(study)["log"]) == 1


def test_a_french_keyboard_grades_without_shift(study: Page) -> None:
    press(study, "_")
    study.evaluate(
        "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'é', code: 'Digit2', bubbles: true}))"
    )
    assert [entry["rating"] for entry in stored(study)["log"]] == [2]


def test_a_link_to_a_card_asks_it_first(visitor: Visitor) -> None:
    page = opened(visitor.context, visitor.served, hash="#card-17-residual-networks")
    assert "residual network" in question(page)
    press(page, "_4")
    assert list(stored(page)["cards"]) == ["17-residual-networks"]
    page.reload()
    assert "residual network" not in question(page)
    page.goto(f"{visitor.served}study/#card-%E0%A4%A")
    counted(page, "0 due, 9 new, 1 done today")


# ── files ──────────────────────────────────────────────────────────────────────────────────────


def test_export_start_over_import_gives_the_same_progress(study: Page) -> None:
    press(study, "_1_2_3_4")
    settings(study)
    study.get_by_label("New questions a day").fill("7")
    study.get_by_label("New questions a day").blur()
    before, file = stored(study), exported(study)
    assert file == before
    study.get_by_role("button", name="Start over …").click()
    dialog = study.get_by_role("dialog", name="Start over?")
    expect(dialog.get_by_role("button", name="Keep my progress")).to_be_focused()
    expect(dialog).to_contain_text("the schedule of 4 questions and 4 grades")
    with study.expect_download():
        dialog.get_by_role("button", name="Export it first").click()
    dialog.get_by_role("button", name="Keep my progress").click()
    assert stored(study) == before
    study.get_by_role("button", name="Start over …").click()
    dialog.get_by_role("button", name="Start over").click()
    counted(study, "0 due, 7 new, 0 done today")
    assert stored(study)["cards"] == {} and stored(study)["log"] == []
    said = imported(study, json.dumps(file), "mine.json")
    assert said.startswith("Imported mine.json: 4 questions added, 0 replaced")
    assert stored(study) == before
    study.evaluate("localStorage.clear()")
    study.reload()
    settings(study)
    imported(study, json.dumps(file))
    assert stored(study) == before


def test_two_files_are_merged_by_the_newest_review(study: Page) -> None:
    settings(study)
    old, new = progress("01-deep-learning", "99-gone"), progress("01-deep-learning")
    new["cards"]["01-deep-learning"] |= {
        "last_review": "2026-03-02T12:30:00.000Z",
        "due": "2026-03-20T12:00:00.000Z",
    }
    said = imported(study, json.dumps(new))
    assert "1 question added" in said
    said = imported(study, json.dumps(old))
    assert "1 question added, 0 replaced by a newer review, 1 kept as they are here." in said
    assert "This site does not have 1 of them; they are kept too." in said
    assert stored(study)["cards"]["01-deep-learning"]["due"] == "2026-03-20T12:00:00.000Z"
    assert "99-gone" in stored(study)["cards"]
    press(study, "_4")
    assert "99-gone" in exported(study)["cards"], "no progress is lost"


def test_hostile_files_are_refused_and_change_nothing(study: Page, tmp_path: Path) -> None:
    press(study, "_4")
    settings(study)
    before = stored(study)
    for name in ("not JSON", "another thing", "a day that is none", "a prototype", "a constructor"):
        text, sentence = HOSTILE[name]
        said = imported(study, text, f"{name}.json")
        assert said.startswith(f"Nothing was imported from {name}.json: "), name
        assert sentence in said and said.endswith("Your progress is as it was."), name
    said = imported(study, b"\xff\xfe\x00garbage")
    assert "it is not JSON" in said
    huge = tmp_path / "huge.json"
    huge.touch()
    os.truncate(huge, 10_000_001)
    study.locator(".study-settings input[type=file]").set_input_files(huge)
    expect(study.locator(".study-outcome")).to_contain_text(
        "huge.json: it has 11 MB, more than the 10 MB that progress can have."
    )
    assert stored(study) == before
    assert study.evaluate("({}).due === undefined && ({}).polluted === undefined")


# ── storage ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["{garbled", json.dumps(progress() | {"version": 9})])
def test_what_cannot_be_read_is_put_aside(visitor: Visitor, text: str) -> None:
    page = opened(visitor.context, visitor.served)
    page.evaluate("([key, text]) => localStorage.setItem(key, text)", [KEY, text])
    page.reload()
    notice = page.locator(".study-notice")
    expect(notice).to_contain_text("The progress that this browser held cannot be read: it ")
    expect(notice).to_contain_text("It was put aside as “study-progress:/repo/:aside:2026-03-02T")
    with page.expect_download() as loading:
        notice.get_by_role("button", name="Download what was there").click()
    assert Path(loading.value.path()).read_text("utf-8") == text
    elsewhere(page)
    press(page, "_4")
    assert len(stored(page)["log"]) == 1
    aside = page.evaluate("Object.keys(localStorage).filter((key) => key.includes(':aside:'))")
    assert len(aside) == 1
    assert page.evaluate("(key) => localStorage.getItem(key)", aside[0]) == text
    page.reload()
    expect(notice).to_be_hidden()


REFUSING = """
const set = Storage.prototype.setItem;
Storage.prototype.setItem = function (key, value) {
  if (String(key).startsWith("study-progress") && !window.room) {
    throw new DOMException("full", "QuotaExceededError");
  }
  set.call(this, key, value);
};
"""


def test_a_full_storage_is_told_and_loses_nothing(visitor: Visitor) -> None:
    visitor.context.add_init_script(REFUSING)
    page = opened(visitor.context, visitor.served)
    press(page, "_4_3")
    notice = page.locator(".study-notice")
    expect(notice).to_contain_text("This browser's storage is full")
    counted(page, "1 due, 8 new, 1 done today")
    settings(page)
    assert len(exported(page)["log"]) == 2
    elsewhere(page)
    page.evaluate("window.room = true")
    press(page, "_4")
    expect(notice).to_be_hidden()
    assert len(stored(page)["log"]) == 3


def test_what_cannot_be_read_stays_where_there_is_no_room(visitor: Visitor) -> None:
    page = opened(visitor.context, visitor.served)
    page.evaluate(f"localStorage.setItem({KEY!r}, 'garbled')")
    visitor.context.add_init_script(REFUSING)
    page.reload()
    expect(page.locator(".study-notice")).to_contain_text("There is no room to put it aside")
    press(page, "_4")
    assert page.evaluate(f"localStorage.getItem({KEY!r})") == "garbled"
    settings(page)
    assert len(exported(page)["log"]) == 1


def test_without_storage_study_goes_on_in_memory(browser: Browser, served: str) -> None:
    blocked = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }});"
    with browser.new_context() as context:
        context.add_init_script(blocked)
        page = opened(context, served)
        press(page, "_4_4")
        expect(page.locator(".study-notice")).to_contain_text("does not let the page keep anything")
        counted(page, "0 due, 8 new, 2 done today")
        settings(page)
        assert len(exported(page)["log"]) == 2


def test_two_tabs_keep_each_others_grades(visitor: Visitor) -> None:
    one = opened(visitor.context, visitor.served)
    two = opened(visitor.context, visitor.served)
    first = question(two)
    press(one, "_4")
    counted(two, "0 due, 9 new, 1 done today")
    assert question(two) != first, "what the other tab has answered is not asked again"
    press(two, "_3")
    press(one, "_2")  # perhaps before it knows of the other's grade
    expect(one.locator(".study-settings p").first).to_have_text(re.compile(r".* 3 grades given\."))
    assert len(stored(one)["log"]) == 3
    press(two, "u")
    expect(one.locator(".study-settings p").first).to_have_text(re.compile(r".* 2 grades given\."))


def test_a_grade_that_another_tab_has_overtaken_stays(visitor: Visitor) -> None:
    one = opened(visitor.context, visitor.served)
    press(one, "_4")
    (stem,) = stored(one)["cards"]
    two = opened(visitor.context, visitor.served, MONDAY + timedelta(days=1), f"#card-{stem}")
    press(two, "_3")
    expect(one.locator(".study-settings p").first).to_have_text(re.compile(r".* 2 grades given\."))
    press(one, "u")
    expect(one.locator(".study-app [role=status]").last).to_contain_text("Not taken back")
    assert len(stored(one)["log"]) == 2


def test_what_another_tab_overwrote_is_put_back(visitor: Visitor) -> None:
    one = opened(visitor.context, visitor.served)
    two = opened(visitor.context, visitor.served)
    press(one, "_4")
    counted(two, "0 due, 9 new, 1 done today")
    old = json.dumps(stored(one))
    press(two, "_4")
    counted(one, "0 due, 8 new, 2 done today")
    one.evaluate("([key, old]) => localStorage.setItem(key, old)", [KEY, old])
    counted(two, "0 due, 8 new, 2 done today")
    counted(one, "0 due, 8 new, 2 done today")
    assert len(stored(one)["log"]) == len(stored(two)["log"]) == 2


def test_who_starts_over_starts_over_in_every_tab(visitor: Visitor) -> None:
    one = opened(visitor.context, visitor.served)
    two = opened(visitor.context, visitor.served)
    press(two, "_4_4")
    counted(one, "0 due, 8 new, 2 done today")
    settings(one)
    one.get_by_role("button", name="Start over …").click()
    one.get_by_role("button", name="Start over", exact=True).click()
    counted(two, "0 due, 10 new, 0 done today")
    expect(two.get_by_role("button", name="Undo")).to_be_hidden()
    assert stored(two)["log"] == []


# ── around it ──────────────────────────────────────────────────────────────────────────────────


def test_instant_navigation_there_and_back(visitor: Visitor) -> None:
    page = visitor.open("study/")
    page.evaluate("window.stayed = true")
    press(page, "_4")
    page.keyboard.press("Space")
    page.locator(".study-card a", has_text=re.compile(r"^\d+\. ")).click()
    page.wait_for_url("**/questions/**")
    expect(page.locator("h1#question")).to_be_visible()
    press(page, "4u_")
    page.wait_for_timeout(100)
    assert len(stored(page)["log"]) == 1, "no key means anything on another page"
    page.locator(".md-tabs a", has_text="Study").click()
    page.wait_for_url("**/study/")
    counted(page, "0 due, 9 new, 1 done today")
    expect(page.locator(".study-app")).to_have_count(1)
    press(page, "_4")
    assert len(stored(page)["log"]) == 2, "each key counts once"
    press(page, "uu")
    assert stored(page)["log"] == [], "what was done before can be taken back"
    page.go_back()
    page.wait_for_url("**/questions/**")
    page.go_forward()
    counted(page, "0 due, 10 new, 0 done today")
    assert page.evaluate("window.stayed") is True


def test_a_visit_from_another_page_starts_it(visitor: Visitor) -> None:
    page = visitor.open()
    page.evaluate("window.stayed = true")
    page.locator(".md-tabs a", has_text="Study").click()
    counted(page, "0 due, 10 new, 0 done today")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.study-actions')).position")
        == "sticky"
    )
    assert page.evaluate("window.stayed") is True


def test_without_javascript_it_is_the_list_of_all_questions(browser: Browser, served: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{served}study/")
        cards = page.locator("details.card")
        expect(cards).to_have_count(ALL)
        expect(page.locator(".study-plain")).to_contain_text("need JavaScript")
        answer = cards.first.locator("p").first
        expect(answer).to_be_hidden()
        cards.first.locator("summary").click()
        expect(answer).to_be_visible()


def test_a_script_that_does_not_come_leaves_the_list_without_a_fault(
    browser: Browser, served: str
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.route("**/assets/study.*.js", lambda route: route.abort())
        page.goto(f"{served}study/")
        expect(page.locator("details.card").first).to_be_visible()
        expect(page.locator(".study-plain")).to_contain_text("or did not load")
        assert axe_faults(page, ".md-content") == []


def test_on_paper_every_card_is_unfolded(study: Page) -> None:
    press(study, "_4")
    study.emulate_media(media="print")
    expect(study.locator(".study-app")).to_be_hidden()
    for card in (study.locator("details.card").first, study.locator("details.card").last):
        expect(card.locator("p").first).to_be_visible()
        assert (card.bounding_box() or {})["height"] > 100


# ── its looks ──────────────────────────────────────────────────────────────────────────────────


def states(page: Page) -> Iterator[str]:
    """Bring the page into each of its states, one after the other."""
    yield "question"
    press(page, "_")
    yield "answer"
    press(page, "4")
    settings(page)
    imported(page, "garbled")
    yield "settings, refused file"
    page.get_by_role("button", name="Start over …").click()
    yield "dialog"
    page.keyboard.press("Escape")
    page.evaluate(f"localStorage.setItem({KEY!r}, 'garbled')")
    page.reload()
    yield "put aside"
    press(page, "_4" * 10)
    yield "done"


def axe_faults(page: Page, where: str) -> list[str]:
    """What axe finds in both schemes at both widths, as 'scheme width rule: element'."""
    page.evaluate(AXE.read_text("utf-8"))
    faults = []
    for scheme in ("default", "slate"):
        page.evaluate("(name) => document.body.setAttribute('data-md-color-scheme', name)", scheme)
        page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
        for width in (390, 1350):
            page.set_viewport_size({"width": width, "height": 844})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            found = page.evaluate("async (place) => (await axe.run(place)).violations", where)
            faults += [
                f"{scheme} {width} {one['id']}: {node['html'][:120]}"
                for one in found
                for node in one["nodes"]
            ]
    return faults


def test_axe_finds_nothing_in_any_state(browser: Browser, served: str) -> None:
    with browser.new_context() as context:
        page = opened(context, served)
        for state in states(page):
            assert axe_faults(page, ".study-app") == [], state


def tops(page: Page, selectors: tuple[str, ...]) -> list[float]:
    return [(page.locator(one).bounding_box() or {"y": -1})["y"] for one in selectors]


@pytest.mark.parametrize("size", [(390, 844), (1350, 900), (1350, 1300)])
def test_nothing_jumps_and_everything_is_large_enough(
    browser: Browser, served: str, size: tuple[int, int]
) -> None:
    with browser.new_context(viewport={"width": size[0], "height": size[1]}) as context:
        page = opened(context, served)
        places = (".study-question", ".study-actions", ".study-counts")
        before = tops(page, places)
        press(page, "_")
        assert tops(page, places) == before
        grades = [one.bounding_box() for one in page.locator(".study-grade").all()]
        assert len({box["y"] for box in grades if box}) == 1, "in a row"
        press(page, "4_")
        settings(page)
        controls = (
            ".study-app :is(button, select, summary, input[type=number], .study-keys):visible"
        )
        for one in page.locator(controls).all():
            box = one.bounding_box()
            assert box and box["height"] >= 44 and box["width"] >= 44, one.inner_html()
