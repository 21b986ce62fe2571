"""What text and notebook say of each other, and what prose really turns into."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from samples import ROOT, claim, code, made, made_refused, notebook, printed, text_of
from stages.pages import assemble
from stages.prose import Woven
from stages.records import Block, Refused
from stages.validate import EXTENSIONS, SHORT_WORDS, published_faults

CLAIM = claim("gap-is-large", "The gap is large.", "gap 0.2")
FINISHED = """A bank

1. Why?
Title: Why

It is {{gap:.1f}} [#gap-is-large], as known [@he2016].

## In depth

More.

## References

- [he2016] He, Zhang (2016). A title. arXiv:1512.03385
"""


def beside(folder: Path, text: str = "", *, stem: str = "01-why") -> Path:
    """A folder with one executed notebook."""
    folder = folder / "notebooks"
    folder.mkdir()
    text = text or notebook(CLAIM, results={"gap": 0.25, "many": 12})
    (folder / f"{stem}.ipynb").write_text(text, "utf-8")
    return folder


def test_a_finished_text_passes(tmp_path: Path) -> None:
    beside(tmp_path)
    page = made(FINISHED, tmp_path, name="01-why.txt").pages[0]
    assert "It is 0.2 [✓1](#claim-gap-is-large)" in page.markdown


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("{{gap:.1f}}", "{{gone}}", "01-why.txt:6: the notebook has no result 'gone'; use one of: gap, many"),
        ("[#gap-is-large]", "[#gone] [#gap-is-large]", "01-why.txt:6: the notebook has no claim 'gone'; known: gap-is-large"),
        ("[#gap-is-large]", "", "01-why.txt:3: claim 'gap-is-large' of the notebook is never cited; cite it with [#gap-is-large]"),
        ("[#gap-is-large]", "`[#gap-is-large]`", "claim 'gap-is-large' of the notebook is never cited"),
        ("[@he2016]", "", "01-why.txt:14: reference 'he2016' is never cited; cite it with [@he2016]"),
        ("[@he2016]", "[@he2016] [@gone]", "01-why.txt:6: unknown reference 'gone'; known: he2016"),
        ("More.", "More by 0.5.", "01-why.txt:10: the number '0.5' is typed; take it from the notebook's results"),
        ("More.", "More by 12%.", "01-why.txt:10: the number '12' is typed"),
        ("It is", "word " * SHORT_WORDS + "it is", "01-why.txt:6: the short answer has 127 words (at most 120); shorten it"),
    ],
)  # fmt: skip
def test_what_text_and_notebook_do_not_share_is_refused(
    before: str, after: str, said: str, tmp_path: Path
) -> None:
    beside(tmp_path)
    assert said in made_refused(FINISHED.replace(before, after, 1), tmp_path, name="01-why.txt")


def test_a_number_may_be_typed_where_its_sentence_cites_a_source(tmp_path: Path) -> None:
    beside(tmp_path)
    made(FINISHED.replace("as known", "as known, by 3.57%"), tmp_path, name="01-why.txt")


def test_a_notebook_taken_by_number_holds_the_text_to_less(tmp_path: Path) -> None:
    folder = beside(tmp_path, stem="1-other")
    bare = text_of("It is 0.5 of it. " + "word " * 200)
    assert not made(bare, tmp_path).evidence
    done = made(bare, tmp_path, notebooks=folder, by_number=True)
    assert done.notices == ("1-other.ipynb joins the page bank",)
    assert "{{gone}}" not in done.pages[0].markdown
    assert "no result 'gone'" in made_refused(
        text_of("{{gone}}"), tmp_path, notebooks=folder, by_number=True
    )


def test_a_refused_notebook_is_reported_with_the_faults_of_other_texts(tmp_path: Path) -> None:
    warned = code("warn()", printed("careful", "stderr"))
    folder = beside(tmp_path, notebook(CLAIM, warned, results={}))
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "01-why.txt").write_text(FINISHED, "utf-8")
    (tmp_path / "source" / "02-b.txt").write_text("2. What?\n\n<script>\n", "utf-8")
    with pytest.raises(Refused) as refused:
        assemble(tmp_path / "source", folder)
    lines = [str(fault) for fault in refused.value.faults]
    assert len(lines) == 2
    assert "01-why.ipynb: cell 4 (warn()): wrote to stderr: careful" in lines[0]
    assert "02-b.txt:3: raw HTML in the text" in lines[1]


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("T\n\n1. Why <script>?\n\nSo.", 3),
        ("T\n\n1. Why?\nTitle: <img src=x>\n\nSo.", 4),
        ("T\n\n1. Why?\nTopic: </a>\n\nSo.", 4),
        ("T\n\n1. Why?\nTags: a, <!-- b\n\nSo.", 4),
        ("T\n\n1. Why?\nAlso asked: <b>\n\nSo.", 4),
        ("T\n\n1. Why?\n\nSo.\n\n## Follow-ups\n\n### <b>?\n\nNo.", 9),
        ("<T>\n\n1. Why?\n\nSo.", 0),
        ("T\n<p>\n\n1. Why?\n\nSo.", 0),
        ("T\n\n1. Why?\n\nSo.\n\n© <b>", 0),
    ],
)
def test_raw_html_is_refused_in_titles_headers_and_notes(
    source: str, line: int, tmp_path: Path
) -> None:
    said = made_refused(source, tmp_path)
    assert said.startswith(f"bank.txt:{line}: raw HTML" if line else "bank.txt: raw HTML")


def test_maths_that_cannot_be_read_is_refused_in_a_question(tmp_path: Path) -> None:
    said = made_refused(text_of("So.", question=r"Why $\frobnicate$?"), tmp_path)
    assert said.startswith("bank.txt:3: maths that cannot be read")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x\n===", "a line that becomes a heading"),
        ("x\n---", "a line that becomes a heading"),
        ("### x", "a line that becomes a heading"),
        ("> # x", "a line that becomes a heading"),
        ("####### x", "a line that becomes a heading"),
        ("<mark>x", "the tag <mark> without its other half"),
        ("x</sub>", "the tag <sub> without its other half"),
        ("<sub>a<sup>b</sub></sup>", "the tag <sup> without its other half"),
        ("<kbd>a\n\nb</kbd>", "the tag <kbd> without its other half"),
        ("- a\n\n        x[0] < 1", "indented code inside a list"),
        ("> " * 9 + "x", "this text is nested too deeply"),
    ],
)
def test_what_prose_must_not_turn_into_is_refused(text: str, said: str, tmp_path: Path) -> None:
    assert f"bank.txt:5: {said}" in made_refused(text_of(text), tmp_path)


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<script>x</script>", "raw HTML <script>"),
        ("<h2>x</h2>", "a line that becomes a heading"),
        ('<a href="java&#9;script:x">x</a>', "a link to 'javascript:'"),
        ('<em onclick="x">x</em>', "the attribute 'onclick'"),
        ('<em style="position: fixed">x</em>', "the attribute 'style'"),
        ("<!-- x -->", "an HTML comment"),
        ("<img src=x>", "a picture"),
        ("<svg/>", "raw HTML <svg>"),
        ("    -->`</div>`</details><![:> #", "raw HTML <!…>"),
        ("<b/>", "raw HTML <b>"),
        ("x\n\n</div>\n\nx", "the tag <div> without its other half"),
        ("<math><script>x</script></math>", "raw HTML <script>"),
    ],
)
def test_the_net_below_the_weaver_holds(html: str, said: str) -> None:
    # No text gets this far: the weaver refuses or escapes it. The net looks all the same.
    found = published_faults(Woven(html), Block(html, 7), "t.txt")
    assert any(f.line == 7 and f.what.startswith(said) for f in found), found


def test_the_net_uses_the_extensions_of_the_site() -> None:
    named = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert all(f"- {name}" in named for name in EXTENSIONS)


# ── time ───────────────────────────────────────────────────────────────────────────────────────

N = 6_000  # what takes more than linear time is seen well below the limits
GIGANTIC = [
    *"[*_`><&$\\{|#(!~=aé1",
    "[a](", "![", "](", "[](<", "[@", "[#a]", "[a][b]", "[a]: ", "[[", "*a ", "**a ", "*a **b ", "***a",
    "**_a_b** ", "` ", "> ", "- ", "1. ", "< a", "<a ", "</", "<br>", "<http://a ", "http://", "&#", "$a ", "$a$ ",
    "{{", "{{a}}", "{{a ", "a. ", "1.5 ", "1,", "5 %", "\\[", ".[", "a(",
]  # fmt: skip
LONG = [
    "word word\n", "word word\n\n", "*a\n", "[a\n", "[a](b\n", "`a\n", "$a\n", "- a\n", "> a\n", "> - a\n", "a < b\n",
    "```\na\n```\n\n", "~~~\na\n~~~\n", "    a\n\nb\n\n", "$$x$$\n\n", "a|b\n-|-\nc|d\n\n", "[a]: b\n", "3. a\n\n", "<sub>a</sub>\n",
]  # fmt: skip
NESTED = [
    "\n".join(" " * 4 * i + "- a" for i in range(300)),
    "\n".join(">" * (i + 1) + " a" for i in range(300)),
    "*a **b " * 300 + "c** d* " * 300,
    "[" * 3000 + "a" + "](https://b.org)" * 1000,
    "<sub>" * 1000 + "</sub>" * 1000,
    "(" * 5000 + ")" * 5000,
    "$" + "{" * 1000 + "}" * 1000 + "$",
    "`" + "` `" * 5000,
    " ".join("`" * i for i in range(150)),
]


@pytest.mark.parametrize(
    "text",
    [piece * (N // len(piece)) for piece in GIGANTIC]
    + [piece * (2 * N // len(piece)) for piece in LONG]
    + NESTED,
    ids=lambda text: repr(text[:9]),
)
def test_hostile_text_is_refused_or_shown_in_seconds(text: str, tmp_path: Path) -> None:
    started = time.process_time()
    try:
        made(text_of(text), tmp_path)
    except Refused as refused:
        assert refused.faults
    assert time.process_time() - started < 6
