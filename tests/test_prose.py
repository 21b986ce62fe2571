"""Cutting prose into code, maths and words; filling in what it cites; typed numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import evidence
from stages.prose import (
    DEEPEST,
    Sources,
    cite_label,
    cut,
    fill_value,
    format_value,
    inline_html,
    literal,
    plain_text,
    too_deep,
    typed_numbers,
    unsafe_link,
    value_of,
    weave,
)
from stages.records import Block, Claim, Evidence, Reference

HE = Reference("he2016", "He, Zhang, Ren, Sun", "2016", "Deep residual learning", "arXiv:1", 9)
WORSE = Claim("plain-is-worse", "The *plain* network is `worse` by 2 * 3 < 7.", "gap 0.2")
FOUND = evidence(WORSE, gap=0.1234, loss=-2.5, count=12345, who="A*b_c <i> {d}", huge=10**400)


def woven(
    text: str, *, found: Evidence | None = FOUND, cited: tuple[Reference, ...] = (HE,)
) -> str:
    result = weave(Block(text, 5), Sources("t.txt", found, cited))
    assert not result.faults, result.faults
    return result.text


def faults(
    text: str, *, found: Evidence | None = FOUND, cited: tuple[Reference, ...] = (HE,)
) -> list[str]:
    result = weave(Block(text, 5), Sources("t.txt", found, cited))
    return [str(fault) for fault in result.faults]


# ── cutting ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a `b $c$` d", ["text a ", "code `b $c$`", "text  d"]),
        ("a ``b ` c`` d", ["text a ", "code ``b ` c``", "text  d"]),
        ("a ` b", ["text a ` b"]),
        (r"a \`b\` c", [r"text a \`b\` c"]),
        ("a `b\n\nc` d", ["text a `b", "text \n\n", "text c` d"]),
        ("a $b$ c $$d$$", ["text a ", "inline b", "text  c ", "display d"]),
        ("a\n```\n$b$\n```\nc", ["text a\n", "code ```\n$b$\n```\n", "text c"]),
        ("~~~~\n~~~\n~~~~", ["code ~~~~\n~~~\n~~~~"]),
        ("a\n\n    $b$\n\nc", ["text a", "text \n\n", "code     $b$\n", "text \nc"]),
        ("- a\n\n    $b$", ["text - a", "text \n\n", "text     ", "inline b"]),
        # dollars
        ("$5 and $10", ["text $5 and $10"]),
        ("a $ b$ and $c $", ["text a $ b$ and $c $"]),
        ("$a$5", ["text $a$5"]),
        (r"\$a$ b", [r"text \$a$ b"]),
        ("$a\n\nb$", ["text $a", "text \n\n", "text b$"]),
    ],
)  # fmt: skip
def test_prose_is_cut_into_code_maths_and_words(text: str, pieces: list[str]) -> None:
    assert [f"{s.kind} {s.text}" for s in cut(text)] == pieces


@given(st.text(alphabet="a `~$\\\n\t-1.>", max_size=60))
def test_nothing_is_lost_in_cutting(text: str) -> None:
    marks = {"inline": "$", "display": "$$"}
    again = "".join(f"{(m := marks.get(s.kind, ''))}{s.text}{m}" for s in cut(text))
    assert again == text


# ── numbers and citations ──────────────────────────────────────────────────────────────────────


def test_numbers_of_the_run_are_filled_in() -> None:
    assert woven("{{gap}} {{ gap:.2f }} {{gap:.0%}}") == "0.1234 0.12 12%"
    assert woven("{{loss:.1f}} {{count:,}} {{count:d}}") == "−2.5 12,345 12345"
    assert woven("{{who}}") == "A&#42;b&#95;c &#60;i&#62; &#123;d&#125;"
    assert format_value(-0.5, "+.1f") == "−0.5"


def test_claims_and_references_are_linked() -> None:
    result = weave(Block("So [#plain-is-worse], see [@he2016].", 5), Sources("t.txt", FOUND, (HE,)))
    assert (result.claims, result.references) == ({"plain-is-worse"}, {"he2016"})
    assert "[✓1](#claim-plain-is-worse){ .checked title=" in result.text
    assert "The plain network is worse by 2 &#42; 3 &#60; 7." in result.text
    assert "[&#91;He et al. 2016&#93;](#ref-he2016){ .cite }" in result.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\n{{gone}}", "t.txt:6: the notebook has no result 'gone'; use one of: count, gap, huge"),
        (
            "{{gap:zz}}",
            "'{{gap:zz}}' cannot be filled in ('zz' is no format for a number); mend the format",
        ),
        ("{{who:.2f}}", "cannot be filled in (a text takes no number format)"),
        ("{{gap:d}}", "cannot be filled in ("),
        ("{{huge:.2f}}", "cannot be filled in ("),
        ("{{}}", "the notebook has no result ''"),
        ("{{gap.__class__}}", "the notebook has no result 'gap.__class__'"),
        ("[#gone]", "the notebook has no claim 'gone'; known: plain-is-worse"),
        ("[@gone]", "unknown reference 'gone'; known: he2016"),
        ("`a\nb`\n\n[@gone]", "t.txt:8: unknown reference 'gone'"),
        ("$a\n+b$ [@gone]", "t.txt:6: unknown reference 'gone'"),
        ("$\\frobnicate$", "t.txt:5: maths that cannot be read: "),
    ],
)
def test_what_cannot_be_filled_in_is_refused(text: str, said: str) -> None:
    (found,) = faults(text)
    assert said in found


def test_citations_are_literal_without_a_notebook_and_in_code_and_maths() -> None:
    text = "{{gap}} [#plain-is-worse] [@he2016]"
    escaped = "&#123;&#123;gap}} &#91;#plain-is-worse] &#91;@he2016]"
    assert woven(text, found=None, cited=()) == escaped
    # References alone can be cited; numbers and claims come with a notebook only.
    assert woven("[@he2016] {{gap}}", found=None).endswith("{ .cite } &#123;&#123;gap}}")
    assert woven(f"`{text}`") == f"`{text}`"
    assert woven(f"```\n{text}\n```") == f"```\n{text}\n```"
    assert woven(f"a\n\n    {text}") == f"a\n\n    {text}"
    assert "{{gap}}" not in woven(r"$\text{a}_{{gap}}$")
    assert weave(Block(text, 1), Sources("", FOUND, (HE,), literal=True)).text == escaped


@pytest.mark.parametrize(
    ("authors", "label"),
    [
        ("He, Zhang, Ren, Sun", "He et al. 2016"),
        ("Ioffe, Szegedy", "Ioffe and Szegedy 2016"),
        ("Ioffe and Szegedy", "Ioffe and Szegedy 2016"),
        ("Kingma", "Kingma 2016"),
        ("Vaswani et al.", "Vaswani et al. 2016"),
        (",", " 2016"),
    ],
)
def test_references_are_called_by_their_authors(authors: str, label: str) -> None:
    assert cite_label(Reference("k", authors, "2016", "T", "arXiv:1", 1)) == label


def test_alt_texts_and_captions_take_numbers() -> None:
    assert (
        value_of("ends at {{gap:.1f}}, by {{who}}", FOUND.results)
        == "ends at 0.1, by A*b_c <i> {d}"
    )
    with pytest.raises(KeyError):
        value_of("{{gone}}", FOUND.results)
    with pytest.raises(ValueError, match="no format"):
        value_of("{{gap:x y}}", FOUND.results)
    assert value_of("{{gone}} {{gap:zz}}", FOUND.results, strict=False) == "{{gone}} {{gap:zz}}"
    with pytest.raises(KeyError):
        fill_value("gone", {})


# ── what is shown as it stands ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 > 2"),
        ("&lt; &#60; &#x3C; &eacute;", "&lt; &#60; &#x3C; &eacute;"),
        ("&# &#x &#zz; AT&T", "&amp;# &amp;#x &amp;#zz; AT&amp;T"),
        (r"\< \[a](b) \{ \$5 \& \*", "&#60; &#91;a](b) &#123; &#36;5 &#38; \\*"),
        ("[a] [b][c] [d]: e", "&#91;a] &#91;b]&#91;c] &#91;d]: e"),
        ("[TOC]", "&#91;TOC]"),
        ("x {: onclick=y } {% raw %} {{ config }}", "x &#123;: onclick=y } &#123;% raw %} &#123;&#123; config }}"),
        ("#word\n# word", "\\#word\n# word"),
        ("[a](https://b.org) [c](#d) [e](02-x.md#f) [g](mailto:h@i.org)",) * 2,
        ('[a](https://b.org/(c) "d")',) * 2,
        ("[`a` b](https://c.org)",) * 2,
        ("[a\nb](https://c.org)",) * 2,
        ("[a](b c)", "&#91;a](b c)"),
        ("[[a]](https://b.org)", "&#91;&#91;a]](https://b.org)"),
        ("<https://a.org> a<br>b <kbd>c</kbd>",) * 2,
        ("`<b>` `a < b`", "<code>&#60;b&#62;</code> <code>a &#60; b</code>"),
        ("`a > b` `[c]`", "`a > b` `[c]`"),
        ("`&#` ``a & `b` ``", "<code>&#38;&#35;</code> <code>a &#38; &#96;b&#96;</code>"),
        ("a \x1a b", "a  b"),
        ("`` ``` {```", "&#96;&#96; <code>&#123;</code>"),
        ("``a `b` c`` ```d``` `e", "<code>a &#96;b&#96; c</code> <code>d</code> &#96;e"),
        (r"\`a\` \\`", "&#96;a&#96; \\\\&#96;"),
        ("`a\n> {: b }`", "<code>a &#62; &#123;: b &#125;</code>"),
    ],
)  # fmt: skip
def test_what_markdown_could_misread_is_shown_as_it_stands(text: str, shown: str) -> None:
    assert woven(text, found=None, cited=()) == shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "<script>",
            "raw HTML in the text; write &lt; for '<', or one of: br, kbd, mark, sub, sup",
        ),
        ("</p>", "raw HTML"),
        ("<!-- a -->", "raw HTML"),
        ("<?php ?>", "raw HTML"),
        ("<br onclick=x>", "raw HTML"),
        ("<a@b.org>", "raw HTML"),
        ("<javascript:x>", "raw HTML"),
        ("[a](javascript:x)", "a link to 'javascript:'; link to http, https or mailto"),
        ("[a](JaVa&#115;cript&colon;x)", "a link to 'JaVascript:'"),
        ("[a](java&Tab;script:x)", "a link to 'javascript:'"),
        ("[a](java&amp;#115;cript:x)", "a link to 'javascript:'"),
        ('[a](data:text/html,x "b")', "a link to 'data:'"),
        ("[a](\\javascript:x)", "a link to '\\javascript:'"),
        ("[a](../../secret)", "a link to '../../secret'; link to https://…, or to another page"),
        ("[a](//b.org)", "a link to '//b.org'"),
        ("![a](https://b.org/c.png)", "a picture in this text; draw it in the notebook"),
        (
            "``` {onclick=x}\na\n```",
            "'{onclick=x}' after the start of a code block; write a language",
        ),
        ("``` python title='x'\na\n```", "after the start of a code block"),
        ("&#x202e;x", "the control character &#x202e;; delete it"),
        ("&#8238;x", "the control character &#8238;; delete it"),
    ],
)
def test_what_could_run_or_deceive_is_refused(text: str, said: str) -> None:
    found = faults(text, found=None, cited=())
    assert found
    assert said in found[0]


@pytest.mark.parametrize("language", ["", "python", " python", "c++", "objective-c", "f#"])
def test_a_language_may_follow_a_fence(language: str) -> None:
    text = f"```{language}\na\n```"
    assert woven(text) == text


def test_links_are_judged_as_browsers_read_them() -> None:
    for safe in ("https://a", "HTTP://a", "mailto:a@b", "#a:b", "a.md", "/a:b", "?a:b", ""):
        assert unsafe_link(safe) == ""
    for unsafe in (
        "javascript:a",
        " java\nscript:a",
        "\x01javascript:a",
        "java&#10;script&#58;a",
        "x:a",
    ):
        assert unsafe_link(unsafe)


def test_literal_text_keeps_its_words() -> None:
    assert literal('a*b_c [d](e) <f> "g" & {h} `i` $j$ k|l ~m #n \\') == (
        "a&#42;b&#95;c &#91;d&#93;(e) &#60;f&#62; &#34;g&#34; &#38; &#123;h&#125; &#96;i&#96;"
        " &#36;j&#36; k&#124;l &#126;m &#35;n &#92;"
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("> " * DEEPEST + "a", None),
        ("> " * (DEEPEST + 1) + "a", 0),
        ("a\n" + ">" * (DEEPEST + 1), 1),
        ("- " * (DEEPEST + 1) + "a", 0),
        ("1. " * (DEEPEST + 1) + "a", 0),
        ("    " * DEEPEST + "- a", 0),
        ("\t" * DEEPEST + "- a", 0),
        ("* " * 30, None),
        ("- - - - - - - - - - - - - - -", None),
        (" " * 60 + "a", None),
        ("```\n" + "> " * 30 + "\n```", None),
    ],
)
def test_deep_nesting_is_found(text: str, line: int | None) -> None:
    assert too_deep(text) == line


# ── words alone ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("**a** *b* __c__ `d_e` $f_g$", "a b c d_e f_g"),
        ("a_b_c 2 * 3 * 4 a*b", "a_b_c 2 * 3 * 4 a*b"),
        ("see [the paper](https://a.org) [@he2016], so [#plain-is-worse].", "see the paper, so."),
        ("a<br>b <kbd>c</kbd>", "a b c"),
        ("a\n\nb", "a b"),
        ("the .py file , x", "the .py file , x"),
        ("&lt;b&gt; `&lt;`", "<b> &lt;"),
        ("a \\* b \\[c", "a * b [c"),
        ("{{gap:.1f}} {{gone}}", "0.1 {{gone}}"),
    ],
)
def test_marks_are_left_out_of_words(text: str, shown: str) -> None:
    assert plain_text(text, Sources("t.txt", FOUND, (HE,))) == shown


def test_what_cites_nothing_is_literal_in_words_too() -> None:
    text = "a [@he2016] [#plain-is-worse] {{gap}}"
    assert plain_text(text) == text
    assert plain_text("[@gone] [#gone]", Sources("t.txt", FOUND, (HE,))) == "[@gone] [#gone]"


def test_sentences_of_claims_become_html() -> None:
    shown = inline_html("a < b & *c* `d <e>` $x$ $\\frobnicate$")
    assert shown.startswith("a &lt; b &amp; *c* <code>d &lt;e&gt;</code> <span class=")
    assert shown.endswith(r"\frobnicate")


# ── typed numbers ──────────────────────────────────────────────────────────────────────────────


def typed(text: str) -> list[str]:
    found = typed_numbers(Block(text, 5), "t.txt")
    return [f"{fault.line} {fault.what.split(chr(39))[1]}" for fault in found]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("It fell to 0.25.", ["5 0.25"]),
        ("It fell to .25 and −1.5e-3, and 1,5.", ["5 .25", "5 −1.5", "5 1,5"]),
        ("By 5 % or 5% or 2.5% or 5 per cent.", ["5 5", "5 5", "5 2.5", "5 5"]),
        ("a\nb 0.1 c\n\nd 0.2", ["6 0.1", "8 0.2"]),
        ("One sentence [@he2016]. Another with 0.5.", ["5 0.5"]),
        ("A rate of 0.1: it diverged.", ["5 0.1"]),
        ("| a | 0.5 |\n| b | c [@he2016] |", ["5 0.5"]),
        ("So 0.5.[@he2016] And 0.7.", ["5 0.7"]),
        # what may stand there
        ("He et al. 2016 found 3.57% and 0.5, e.g. On CIFAR [@he2016].", []),
        ("`0.5` and $0.5$ and $$5\\%$$\n\n    0.5", []),
        ("```\n0.5\n```", []),
        ("{{gap:.2f}} % of {{count:,}}", []),
        ("34 layers, 1,797 digits, 1,024,000 weights, in 2016.", []),
        ("See https://a.org/0.5 and <https://a.org/1.5> and [x](https://b.org/2.5).", []),
        ("Steps 1. 2. 3. and v1.2 and 10:30", []),
    ],
)
def test_typed_decimals_and_percentages_are_found(text: str, numbers: list[str]) -> None:
    assert typed(text) == numbers
