"""A question and its evidence as a page: its parts, their order, and nothing but them."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from samples import claim, code, foreign, made, notebook, parse, printed, published, text_of, words
from stages.records import Reference, Refused
from stages.render import (
    address,
    colab_address,
    describe,
    heading,
    reading_minutes,
    render_page,
)
from stages.validate import bank_faults

WHOLE = """A bank

1. Why does `a_b` *help* with $x$?
Title: Why
Topic: Foundations
Level: core
Tags: foundations, *tags*
Also asked: how come; [a](b)
See also: 2

It is {{gap:.1f}} [#gap-is-large], as known [@he2016].

## In depth

More in depth.

### A part

Even more.

## Often said

> It is *small*.

It is not.

## Follow-ups

### Is `a_b` < 2 * 3 * 4?

Yes.

## References

- [he2016] He, Zhang (2016). Is *this* a <title>? arXiv:1512.03385

2. What [is](https://example.org) {: .it } "now"?

That.
"""


def whole(folder: Path, **options: object) -> str:
    books = folder / "notebooks"
    books.mkdir()
    cells = [code("x", printed("out")), claim("gap-is-large", "The gap is large.", "gap 0.2")]
    (books / "01-why.ipynb").write_text(notebook(*cells, results={"gap": 0.25}), "utf-8")
    return made(WHOLE, folder, **options).pages[0].markdown


def bare(text: str) -> str:
    bank = parse(text)
    if faults := bank_faults(bank, {}, set()):
        raise Refused(faults)
    page = render_page(bank.questions[0], None, bank)
    assert not page.faults
    return page.markdown


def test_the_parts_stand_in_their_order(tmp_path: Path) -> None:
    shown = published(whole(tmp_path))
    assert not foreign(shown)
    assert re.findall(r'<h[12] id="([^"]+)"', shown) == [
        "question", "short-answer", "in-depth", "experiment", "checked", "often-said",
        "follow-ups", "references", "run", "see-also",
    ]  # fmt: skip
    text = words(shown)
    for part in (
        "Why does a_b help with x?", "Foundations core", "1 min", "✓ 1 claim checked", "It is 0.2 ✓1, as known [He and Zhang 2016]",
        "Also asked as how come · [a](b)", "More in depth. A part", "out", "✓1The gap is large.gap 0.2cell", "It is small.", "Is a_b < 2 * 3 * 4? Yes.",
        "He, Zhang (2016). Is *this* a <title>? arXiv:1512.03385", "Ran on 2026-01-02 in 2 s with python 3.11.7.", "2. What is {: .it } \"now\"?",
    ):  # fmt: skip
        assert part in text, part
    assert '<li id="ref-he2016">' in shown
    assert 'href="#claim-gap-is-large"' in shown
    assert 'id="claim-gap-is-large"' in shown
    assert "Not yet checked" not in text


def test_a_page_without_a_notebook_says_so_and_has_no_empty_section() -> None:
    shown = published(bare(text_of("So.")))
    assert not foreign(shown)
    assert words(shown).count("Not yet checked by an experiment.") == 1
    assert re.findall(r'<h[12] id="([^"]+)"', shown) == ["question", "short-answer"]


def test_links_to_run_a_notebook_need_a_repository_and_views(tmp_path: Path) -> None:
    page = whole(tmp_path, repository="https://github.com/someone/repo.git", branch="dev")
    assert (
        "https://colab.research.google.com/github/someone/repo/blob/dev/notebooks/01-why.ipynb"
        in page
    )
    assert "../../notebooks/01-why/" in page
    assert colab_address("", "main", "x") == ""
    assert colab_address("https://gitlab.com/a/b", "main", "x") == ""
    assert colab_address("https://github.com/a/b", "main", "x").endswith(
        "/a/b/blob/main/notebooks/x.ipynb"
    )


def test_without_views_the_notebook_can_still_be_had(tmp_path: Path) -> None:
    page = whole(tmp_path, views=False)
    assert "../../notebooks/01-why/" not in page
    assert "../../notebooks/01-why.ipynb" in page


TITLES = [
    'a: "b" \'c\' # d', "- a", "--- ", "? a", "null", "yes", "2020-01-02", "1e3", "{a: b}", "[a]", "!a", "&a *b", "%a", "@a", "| a", "> a",
    "`a", "\\", "a\\", "é 数学 🙂", "${a}", "{{ config.site_name }}", "{% raw %}", "&lt;b&gt;", "a < b", "$x_i$", "*a* _b_ `c`", "\u200fa", "]]>", "-->",
    "a" * 5000, "a " * 2000,
]  # fmt: skip


@pytest.mark.parametrize("title", TITLES)
def test_no_title_breaks_out_of_its_place(title: str) -> None:
    for text in (
        text_of("So.", headers=f"Title: {title}\nTopic: {title}\nTags: {title}\nAlso asked: x\n"),
        text_of("So.", question=title.strip()),
    ):
        page = bare(text)
        front = yaml.safe_load(page.split("---\n")[1])
        assert set(front) == {"title", "description"}
        assert isinstance(front["title"], str)
        assert not re.search(r'[<>"]', front["title"] + front["description"])
        assert not foreign(published(page))


def test_a_title_is_words_in_the_front_matter() -> None:
    page = bare(text_of("So.", headers='Title: *A* `b` & "c" &lt;d&gt;\n'))
    title = yaml.safe_load(page.split("---\n")[1])["title"]
    assert title == "A b &amp; &quot;c&quot; &lt;d&gt;"


def test_a_page_says_what_it_is_made_from() -> None:
    assert (
        bare(text_of("So."))
        .split("\n")[1]
        .startswith("# Generated by `python scripts/build.py pages` from 0.txt")
    )


def test_the_description_is_cut_at_a_word() -> None:
    bank = parse(text_of("*Word* [@x] " + "word " * 100))
    found = describe(bank.questions[0])
    assert found.startswith("Word [@x] word")
    assert found.endswith("word …")
    assert len(found) < 160


def test_small_parts() -> None:
    assert reading_minutes(["a"]) == 1
    assert reading_minutes(["<b a='x y z'> " * 500, "word " * 441]) == 3
    assert heading("Why `a` & $x$?").startswith("Why `a` &amp; <span")
    reference = Reference("k", "A", "2000", "T", "arXiv:1512.03385", 1)
    assert address(reference) == "https://arxiv.org/abs/1512.03385"


@pytest.mark.parametrize(
    ("identifier", "link"),
    [
        ("doi:10.1/x(y)", "https://doi.org/10.1/x(y)"),
        ("https://example.org/a?b=c&d", "https://example.org/a?b=c&amp;d"),
        ("https://example.org/\"onclick='x'", "https://example.org/&quot;onclick=&#x27;x&#x27;"),
        ('arXiv:"><script>', "https://arxiv.org/abs/&quot;&gt;&lt;script&gt;"),
    ],
)
def test_references_lead_to_their_source(identifier: str, link: str) -> None:
    text = text_of(f"So [@a].\n\n## References\n\n- [a] A, *B* (2000). T. {identifier}")
    page = bare(text)
    assert f'<a href="{link}">' in page
    assert not foreign(published(page))


# ── properties ─────────────────────────────────────────────────────────────────────────────────

PIECES = st.sampled_from([
    "a", "word ", "x_y", "*", "**", "_", "`", "``", "```", "~~~", "\n", "\n\n", "    ", "\t", "- ", "1. ", "2. ", "> ",
    "# ", "### ", "#", "[", "]", "(", ")", "](", "[a](https://b.org)", "![", "<", "</", "<div>", "</div>", "<script>",
    "</script>", "<!--", "-->", "<img src=x onerror=y>", "<sub>", "</sub>", "<br>", "{", "}", "{: onclick=x }", "{#id}",
    "{{", "}}", "{{x}}", "$", "$$", "$x$", "\\", "&", "&lt;", "&#", "&#x", "&#x3c;", ";", "|", "a|b\n-|-\nc|d\n",
    "\n---\n", "\n===\n", "[a]: javascript:x", "[a]", "(javascript:x)", "<javascript:x>", "<https://a.b/c>", "[TOC]",
    "[@k]", "[#s]", "--8<--", "{% raw %}", "`</div>`", "``` html\n", "\n```\n", "<math>", "<td>", "\"", "'", "=", "<?",
    "<![CDATA[", "<style>", "©", "0.5 %",
])  # fmt: skip


@given(st.lists(PIECES, max_size=16), st.integers(0, 3))
def test_no_text_brings_anything_foreign_to_its_page(pieces: list[str], place: int) -> None:
    text = "".join(pieces)
    line = " ".join(text.split())
    source = (
        text_of(text),
        text_of("So.", question=line),
        text_of("So.", headers=f"Title: {line}\nTopic: {line}\nAlso asked: {line}\n"),
        text_of(
            f"A.\n\n## In depth\n\n{text}\n\n## Often said\n> {line}\n\n{text}\n\n## Follow-ups\n### {line}\n\nB."
        ),
    )[place]
    try:
        page = bare(source)
    except Refused as refused:
        assert all(f.path and f.line >= 0 and f.what and f.todo for f in refused.faults)
    else:
        assert not foreign(published(page))


WORD = st.text("abcxyzéß数", min_size=1, max_size=8)
SENTENCE = st.lists(WORD, min_size=1, max_size=8).map(" ".join)
PARAGRAPHS = st.lists(
    SENTENCE
    | st.lists(SENTENCE, min_size=2, max_size=4).map(lambda i: "\n".join(f"- {x}" for x in i))
    | st.lists(SENTENCE, min_size=2, max_size=4).map(
        lambda i: "\n".join(f"{n}. {x}" for n, x in enumerate(i, 1))
    )
    | SENTENCE.map(lambda x: f"> {x}")
    | SENTENCE.map(lambda x: f"```\n{x}\n```"),
    min_size=1,
    max_size=5,
)


@given(PARAGRAPHS, SENTENCE)
def test_answers_survive_the_way_to_the_page(paragraphs: list[str], question: str) -> None:
    page = published(bare(text_of("\n\n".join(paragraphs), question=f"{question}?")))
    shown = words(page).split()
    told = [word for p in paragraphs for word in re.sub(r"(?m)^(?:- |\d\. |> |```)", "", p).split()]
    start = shown.index("answer¶") + 1 if "answer¶" in shown else shown.index("answer") + 1
    assert shown[start:] == told
    assert html.unescape(question) in words(page)
