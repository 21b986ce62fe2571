"""What other places show of a page: its tags, its data, its picture, and the sitemap."""

from __future__ import annotations

import json
import re
import struct
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local_server import Served
from samples import parse
from stages import share
from stages.prose import plain_text
from workbench import PLAIN, build, passed, write

BANK = parse(PLAIN)
HOSTILE = "</script><script>alert(1)</script> \"quoted\" 'too' & <!-- &lt;"


class Head(HTMLParser):
    """What the head of a page says."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.titles: list[str] = []
        self.metas: list[tuple[str, str]] = []
        self.links: list[tuple[str, str]] = []
        self.data: list[str] = []
        self._open = ""
        self.feed(page.partition("<body")[0])
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "meta":
            name = found.get("name") or found.get("property") or ""
            self.metas.append((name, found.get("content", "")))
        if tag == "link":
            self.links.append((found.get("rel", ""), found.get("href", "")))
        if tag == "title":
            self.titles.append("")
        if tag == "script" and found.get("type") == "application/ld+json":
            self.data.append("")
            tag = "data"
        self._open = tag

    def handle_data(self, data: str) -> None:
        if self._open == "title":
            self.titles[-1] += data
        if self._open == "data":
            self.data[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def one(self, name: str) -> str:
        """The value of a tag that must stand there once."""
        (found,) = [content for key, content in self.metas if key == name]
        return found

    def canonical(self) -> str:
        (found,) = [href for rel, href in self.links if rel == "canonical"]
        return found


@pytest.fixture(scope="module")
def heads(site: Path) -> dict[str, Head]:
    """The heads of all pages that have an address of their own, by path below the root."""
    pages = {
        path.relative_to(site).as_posix().removesuffix("index.html"): path
        for path in site.rglob("index.html")
    }
    return {name: Head(path.read_text("utf-8")) for name, path in pages.items()}


@pytest.fixture(scope="module")
def listed(site: Path) -> dict[str, dict[str, Any]]:
    """The questions of questions.json, by their addresses."""
    document = json.loads((site / "questions.json").read_text("utf-8"))
    return {entry["url"]: entry for entry in document["questions"]}


# ── the built site ─────────────────────────────────────────────────────────────────────────────


def test_every_page_has_one_title_and_one_description(heads: dict[str, Head]) -> None:
    for name, head in heads.items():
        (title,) = head.titles
        assert title.strip() and head.one("description").strip(), name
        assert head.one("og:title") and title.startswith(head.one("og:title")), name
        assert head.one("og:description") == head.one("description"), name


@pytest.mark.parametrize("what", ["title", "description", "og:title"])
def test_titles_and_descriptions_are_of_one_page_each(heads: dict[str, Head], what: str) -> None:
    said = Counter(head.titles[0] if what == "title" else head.one(what) for head in heads.values())
    assert [text for text, count in said.items() if count > 1] == []


def test_descriptions_of_questions_have_a_good_length(
    heads: dict[str, Head], listed: dict[str, Any]
) -> None:
    for url in listed:
        said = heads[url].one("description")
        assert 50 <= len(said) <= 160, f"{url}: {len(said)}"
        assert "\\" not in said and "{" not in said, f"{url}: LaTeX is not for reading: {said}"


def test_addresses_are_those_of_the_page(heads: dict[str, Head], server: Served) -> None:
    for name, head in heads.items():
        assert head.canonical() == head.one("og:url") == server.url + name


def test_every_page_has_a_picture_of_the_size_it_says(
    heads: dict[str, Head], listed: dict[str, Any], site: Path, server: Served
) -> None:
    used: Counter[str] = Counter()
    for name, head in heads.items():
        address = head.one("og:image")
        assert address.startswith(f"{server.url}assets/share/"), name
        assert head.one("twitter:card") == "summary_large_image"
        content = (site / address.removeprefix(server.url)).read_bytes()
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        size = struct.unpack(">II", content[16:24])
        said = int(head.one("og:image:width")), int(head.one("og:image:height"))
        assert size == said == (1200, 630)
        assert len(content) < 25_000, address
        used[address] += 1
        if name in listed:
            assert head.one("og:image:alt").startswith(listed[name]["question"])
            count = len(listed[name]["claims"])
            assert (f"{count} claim" in head.one("og:image:alt")) == (count > 0)
    assert sorted(used.values())[:-1] == [1] * len(listed)  # the last one serves all other pages
    made = {path.name for path in (site / "assets" / "share").iterdir()}
    assert made == {address.rpartition("/")[2] for address in used}


def test_other_tags_say_what_they_must(heads: dict[str, Head], listed: dict[str, Any]) -> None:
    for name, head in heads.items():
        assert head.one("og:site_name") == "Deep learning, measured"
        assert head.one("og:type") == ("article" if name in listed else "website")
        twice = Counter(key for key, _ in head.metas if key)
        assert [key for key, count in twice.items() if count > 1] == []


def test_data_of_questions_agree_with_questions_json(
    heads: dict[str, Head], listed: dict[str, Any], server: Served
) -> None:
    for url, entry in listed.items():
        (text,) = heads[url].data
        data = json.loads(text)
        assert data["@context"] == "https://schema.org"
        # No QAPage: Google's guidelines keep that for pages on which readers can answer.
        assert data["@type"] == ["WebPage", "LearningResource"]
        asked = data["mainEntity"]
        answer = asked["acceptedAnswer"]
        assert (asked["@type"], answer["@type"]) == ("Question", "Answer")
        assert asked["answerCount"] == 1
        assert asked["name"] == entry["question"]
        assert answer["text"] == entry["short_answer"]
        for node in (asked, answer):
            assert node["author"] == {
                "@type": "Organization",
                "name": "Deep learning, measured",
                "url": server.url,
            }
        assert asked["url"] == server.url + url
        assert answer["url"] == f"{server.url}{url}#short-answer"
        assert asked["about"] == entry["topic"]
        assert asked["keywords"] == ", ".join(entry["tags"])
        assert asked["educationalLevel"] == entry["level"]
        assert not re.search(r'"(date|upvote)\w*":', text)


def test_the_answer_has_the_address_that_its_data_say(site: Path, listed: dict[str, Any]) -> None:
    for url in listed:
        assert 'id="short-answer"' in (site / url / "index.html").read_text("utf-8")


def test_the_home_page_tells_of_the_site(heads: dict[str, Head], server: Served) -> None:
    (text,) = heads[""].data
    assert json.loads(text) == {
        "@context": "https://schema.org",
        "@type": "WebSite",
        "name": "Deep learning, measured",
        "url": server.url,
        "description": heads[""].one("description"),
    }
    assert heads[""].titles == ["Deep learning, measured"]


def test_other_pages_have_no_data(heads: dict[str, Head], listed: dict[str, Any]) -> None:
    assert {name for name, head in heads.items() if head.data} == {"", *listed}


def test_the_sitemap_lists_every_page_and_only_those(site: Path, heads: dict[str, Head]) -> None:
    found = re.findall(r"<loc>([^<]*)</loc>", (site / "sitemap.xml").read_text("utf-8"))
    assert sorted(found) == sorted(head.canonical() for head in heads.values())
    assert not any("404" in urlsplit(address).path for address in found)
    others = {path.name for path in site.rglob("*.html")} - {"index.html"}
    assert others == {"404.html"}


# ── what a title may do ────────────────────────────────────────────────────────────────────────


def test_no_text_ends_the_script_that_holds_it() -> None:
    text = share.json_ld({"name": HOSTILE})
    assert "<" not in text
    assert json.loads(text) == {"name": HOSTILE}


def test_hostile_titles_are_shown_as_they_are(tmp_path: Path) -> None:
    title = "R&D: \"mean\" < 'median' & more"
    text = PLAIN.replace("Title: Mean\n", f"Title: {title}\n").replace(
        "What is a mean?", 'Is "mean" & `mean` 1 < 2?'
    )
    text = text.replace("A small bank", 'Q&A: 1 < 2 "quoted"')
    text = text.replace("The sum", "The `</script><!--` sum")
    source = write(tmp_path, "text.txt", text)
    said = passed(build("site", "--source", source, "--output", tmp_path / "site"))
    assert "WARNING" not in said
    entry = json.loads((tmp_path / "site" / "questions.json").read_text("utf-8"))["questions"][0]
    head = Head((tmp_path / "site" / entry["url"] / "index.html").read_text("utf-8"))
    assert head.titles == [f'{title} - Q&A: 1 < 2 "quoted"']
    assert head.one("og:title") == title
    assert head.one("og:site_name") == 'Q&A: 1 < 2 "quoted"'
    assert head.one("og:image:alt") == 'Is "mean" & mean 1 < 2?'
    assert head.one("description") == head.one("og:description") == entry["short_answer"]
    (text,) = head.data
    asked = json.loads(text)["mainEntity"]
    assert asked["name"] == entry["question"] == 'Is "mean" & mean 1 < 2?'
    assert asked["acceptedAnswer"]["text"] == "The </script><!-- sum divided by the count."
    assert passed(build("check", tmp_path / "site"))


# ── the parts ──────────────────────────────────────────────────────────────────────────────────


def data(**changes: Any) -> dict[str, Any]:
    question = replace(BANK.questions[0], **changes)
    found = share.question_data(
        question, None, url="https://a.example/q/", site="A bank", home="https://a.example/"
    )
    return dict(found["mainEntity"])


def test_what_a_bare_text_lacks_is_left_out_of_its_data() -> None:
    said = data(topic="", level="", tags=())
    assert not {"about", "educationalLevel", "keywords"} & said.keys()
    assert said["answerCount"] == 1


def test_pictures_have_a_hash_of_their_bytes_and_a_description() -> None:
    shown = share.pictures(BANK, {})
    assert shown.keys() == {share.GENERAL, *(q.stem for q in BANK.questions)}
    for stem, picture in shown.items():
        assert re.fullmatch(rf"assets/share/{stem or 'site'}\.[0-9a-f]{{8}}\.png", picture.address)
        assert picture.alt.endswith((".", "?"))
    assert len({picture.address for picture in shown.values()}) == len(shown)
    assert share.pictures(BANK, {}) == shown


def test_a_text_that_cannot_be_drawn_gets_the_general_picture() -> None:
    first, *rest = BANK.questions
    bank = replace(BANK, questions=(replace(first, text="为什么？"), *rest))
    shown = share.pictures(bank, {})
    assert first.stem not in shown and share.GENERAL in shown
    assert share.pictures(replace(bank, title="问"), {}) == {}


def test_formulas_are_words_in_the_data() -> None:
    assert plain_text("the norm $\\lVert x\\rVert^2$") == "the norm ‖x‖²"
