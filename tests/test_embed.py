"""Notebook cells as parts of a page: through the real Markdown extensions, to its HTML."""

from __future__ import annotations

import base64
import html
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samples import claim, code, foreign, notebook, printed, prose, published, value, words
from stages.embed import FOLD_LINES, Embedded, adapt_svg, embed, shift_headings, table_html
from stages.evidence import read_evidence
from stages.prose import inline_html

SVG = (
    '<?xml version="1.0" encoding="utf-8"?><!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "x">\n'
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    'width="460.8pt" height="244.8pt"><!-- made --><metadata><x/></metadata><defs><path id="m" d="M 0.123456 '
    '1.987654"/></defs><g style="fill: #000000"><use xlink:href="#m"/></g></svg>'
)
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\0\0\0\x01\0").decode()


def embedded(folder: Path, *cells: dict[str, object], **results: object) -> Embedded:
    path = folder / "01-why.ipynb"
    path.write_text(notebook(*cells, results=results), "utf-8")
    return embed(read_evidence(path, "01-why.ipynb"))


def page(folder: Path, *cells: dict[str, object], **results: object) -> str:
    done = embedded(folder, *cells, **results)
    assert not done.faults, done.faults
    shown = published(f"---\n---\n{done.markdown}")
    assert not foreign(shown)
    return shown


def refused(folder: Path, *cells: dict[str, object], **results: object) -> str:
    faults = embedded(folder, *cells, **results).faults
    assert all(fault.path == "01-why.ipynb" for fault in faults)
    return "\n".join(f"{fault.what}; {fault.todo}" for fault in faults)


# ── text ───────────────────────────────────────────────────────────────────────────────────────

TRICKY = (
    "a_b_c *x* **y** 2 * 3 * 4 `z` $5 [l](m) <i>n</i> &amp; {: #o } | {{p}} # q\n\n\n- r\n    s\\t"
)


def test_printed_text_is_shown_to_the_letter(tmp_path: Path) -> None:
    shown = page(tmp_path, code("print(x)", printed(TRICKY + "\n")))
    found = re.search(
        r'<pre class="output" tabindex="0"><code[^>]*>(.*?)</code></pre>', shown, re.S
    )
    assert found
    assert html.unescape(found[1]) == TRICKY


def test_the_value_of_a_cell_is_shown_like_printed_text(tmp_path: Path) -> None:
    assert "{'a': 1.5}" in words(page(tmp_path, code("x", value("{'a': 1.5}"))))


def test_terminal_codes_and_overwritten_lines_are_left_out(tmp_path: Path) -> None:
    text = "\x1b[31mred\x1b[0m\n10 %\r 50 %\r100 %\r\nback\x08space\n"
    shown = page(tmp_path, code("x", printed(text)))
    assert "red\n100 %\nback\ufffdspace" in html.unescape(shown)


def test_long_outputs_are_folded(tmp_path: Path) -> None:
    short = page(tmp_path, code("x", printed("line\n" * FOLD_LINES)))
    assert "<details" not in short.split("SEED")[1].split("</details>", 1)[1]
    long = page(tmp_path, code("x", printed("line\n" * (FOLD_LINES + 1))))
    assert f"<summary>Output, {FOLD_LINES + 1} lines</summary>" in long


def test_code_is_highlighted_linked_and_whole(tmp_path: Path) -> None:
    source = 'x = \'```\'\ny = """\n</div>\n{{a}} [#b] $c$\n"""  # <script>'
    shown = page(tmp_path, code(source))
    assert 'id="cell-2"' in shown
    assert '<a class="cell-link" href="#cell-2" aria-label="Link to cell 2">2</a>' in shown
    assert words(source.replace("<", "&lt;")) in words(shown)
    assert 'class="highlight"' in shown


def test_parameters_are_folded(tmp_path: Path) -> None:
    shown = page(tmp_path)
    assert re.search(r"<details[^>]*>\s*<summary>Parameters</summary>.*SEED", shown, re.S)


# ── tables ─────────────────────────────────────────────────────────────────────────────────────

FRAME = """<div><style scoped>td { color: red }</style><table border="1" class="dataframe"><thead>
<tr style="text-align: right;"><th></th><th colspan="2" halign="left">a_b_c</th></tr>
<tr><th></th><th>*x*</th><th>y</th></tr></thead><tbody>
<tr><th rowspan="2" valign="top">plain</th><td>0.50</td><td>&lt;b&gt; &amp; 2 * 3 * 4 {: onclick=x }</td></tr>
<tr><td onclick="x()"><script>alert(1)</script>1</td><td><b>bold</b> <a href="javascript:x">l</a></td></tr>
</tbody></table><p>2 rows</p></div>"""


def test_a_data_frame_becomes_a_table_of_ours(tmp_path: Path) -> None:
    shown = page(tmp_path, code("frame", value("plain text", html=FRAME)))
    table = shown[shown.index("<table") : shown.index("</table>")].replace("\n", "")
    assert table == (
        '<table class="data"><thead><tr><td></td><th colspan="2" scope="col">a_b_c</th></tr>'
        '<tr><td></td><th scope="col">*x*</th><th scope="col">y</th></tr></thead><tbody>'
        '<tr><th rowspan="2" scope="row">plain</th><td>0.50</td><td>&lt;b&gt; &amp; 2 * 3 * 4 &#123;: onclick=x }</td></tr>'
        "<tr><td>1</td><td>bold l</td></tr></tbody>"
    )
    assert "plain text" not in shown
    assert (
        '<div aria-label="Table" class="output output-table" role="region" tabindex="0">' in shown
    )


def test_a_frame_with_two_index_columns_keeps_its_spans() -> None:
    frame = (
        '<table border="1" class="dataframe"><thead><tr><th></th><th></th><th>x</th></tr><tr><th>k</th>'
        '<th>n</th><th></th></tr></thead><tbody><tr><th rowspan="2" valign="top">a</th><th>1</th><td>0.5'
        "</td></tr><tr><th>2</th><td>1.0</td></tr></tbody></table>"
    )
    shown = table_html(frame)
    assert '<tr><th scope="col">k</th><th scope="col">n</th><td></td></tr></thead>' in shown
    assert '<th scope="row" rowspan="2">a</th><th scope="row">1</th><td>0.5</td>' in shown


@given(st.lists(st.sampled_from("<table> <tr> <td> <th> </td> </tr> </table> <thead> </thead> <style> </style> x "
       "<![x <td/colspan=²> <td/colspan=99999999999> <td/rowspan=3> & &lt; <!-- --> <script> <".split()), max_size=25))  # fmt: skip
def test_no_table_runs_or_gives_a_traceback(parts: list[str]) -> None:
    shown = table_html(" ".join(parts).replace("/", " ").replace("< ", "</"))
    assert not foreign(shown)


def test_a_table_that_no_parser_reads_falls_back_to_text() -> None:
    assert table_html("<table><tr><td><![x</td></tr></table>") == ""


def test_what_is_no_table_falls_back_to_text(tmp_path: Path) -> None:
    shown = page(tmp_path, code("model", value("Model()", html="<b>Model</b><table></table>")))
    assert "Model()" in shown
    assert "<b>" not in shown


# ── figures ────────────────────────────────────────────────────────────────────────────────────


def test_a_figure_becomes_a_file_with_alt_text_caption_and_size(tmp_path: Path) -> None:
    alt = 'A "wide" gap_of_{{gap:.1f}} [sic] *x* {y} <z> `a` $5\nand on'
    done = embedded(tmp_path, code("draw()", value("<Figure>", svg=SVG), alt=alt, caption="It is `{{gap:.1f}}` & $x$."), gap=0.25)  # fmt: skip
    ((name, content),) = done.figures.items()
    assert re.fullmatch(r"figure-1\.[0-9a-f]{8}\.svg", name)
    assert b"prefers-color-scheme:dark" in content
    shown = published(f"---\n---\n{done.markdown}")
    assert not foreign(shown)
    found = re.search(r"<img ([^>]*)>", shown)
    assert found
    attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', found[1]))
    assert html.unescape(attributes.pop("alt")) == alt.replace("{{gap:.1f}}", "0.2").replace(
        "\n", " "
    )
    assert attributes == {
        "src": f"01-why/{name}",
        "width": "614",
        "height": "326",
        "loading": "lazy",
    }
    assert "<figcaption>Figure 1. It is <code>0.2</code> &amp; <span" in shown


def test_a_raster_figure_stands_on_a_card(tmp_path: Path) -> None:
    shown = page(tmp_path, code("draw()", value("<Figure>", png=PNG), alt="A gap."))
    assert re.search(r'<img alt="A gap." class="raster" height="256" [^>]*width="512"', shown)


def test_figures_are_numbered_and_named_by_content(tmp_path: Path) -> None:
    cell = code("draw()", value("<Figure>", svg=SVG), value("<Figure>", png=PNG), alt="A gap.")
    names = list(embedded(tmp_path, cell).figures)
    assert [name.split(".")[0] for name in names] == ["figure-1", "figure-2"]
    again = embedded(
        tmp_path, code("draw()", value("<Figure>", svg=SVG.replace("0.1", "0.2")), alt="A gap.")
    )
    assert names[0] not in again.figures


def test_an_svg_is_adapted_and_rounded() -> None:
    svg, width, height = adapt_svg(SVG)
    assert (width, height) == (614, 326)
    assert svg.startswith("<svg ")
    assert 'd="M 0.12 1.99"' in svg
    assert "metadata" not in svg
    assert "made" not in svg
    assert svg.index("<style>") == svg.index(">") + 1
    assert adapt_svg(SVG.replace("460.8pt", "100px"))[1] == 100
    assert adapt_svg(SVG.replace("460.8pt", "100"))[1] == 100


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("<g ", "<script>x</script><g ", "holds the element"),
        ("<g ", "<foreignObject/><g ", "holds the element"),
        ("<g ", '<h:script xmlns:h="http://www.w3.org/1999/xhtml"/><g ', "holds the element"),
        ("<g ", '<a xlink:href="#m"/><g ', "holds the element"),
        ("<g ", "<style>@import 'x'</style><g ", "fetches something"),
        ("<g ", "<style>a{b:url(x)}</style><g ", "fetches something"),
        ("<g ", "<style>a{b:u\\72l(x)}</style><g ", "fetches something"),
        ("<g ", '<g onload="x" ', "holds the attribute 'onload'"),
        ("<g ", '<g filter="url(https://x)" ', "holds the attribute 'filter'"),
        ('"#m"', '"https://example.org/x"', "holds the attribute 'href'"),
        ('"#m"', '"javascript:x"', "holds the attribute 'href'"),
        ('"#m"', '"data:image/svg+xml,x"', "holds the attribute 'href'"),
        ("<!DOCTYPE svg", '<!DOCTYPE svg [<!ENTITY a "b">]', "declares entities"),
        ("</g>", "", "is not well-formed"),
        ('width="460.8pt"', "", "does not say its width and height"),
        ('width="460.8pt"', 'width="100%"', "does not say its width and height"),
        ('width="460.8pt"', 'width="0"', "does not begin with an <svg> of some size"),
        ('width="460.8pt"', 'width="1.2.3"', "could not convert"),
        ("http://www.w3.org/2000/svg", "http://example.org", "is no SVG"),
    ],
)  # fmt: skip
def test_a_hostile_svg_is_refused(before: str, after: str, said: str, tmp_path: Path) -> None:
    svg = SVG.replace(before, after)
    assert svg != SVG
    with pytest.raises(ValueError, match=re.escape(said)):
        adapt_svg(svg)
    found = refused(tmp_path, code("draw()", value("<Figure>", svg=svg), alt="A gap."))
    assert found.startswith("cell cell-2 ('draw()'): a figure that cannot be published: ")


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (code("draw()", value("", png="no base64!"), alt="A gap."), "it is not base64"),
        (code("draw()", value("", png="AAAA"), alt="A gap."), "it is no PNG"),
        (code("draw()", value("", svg=SVG), alt="A gap of {{gone}}."), "its alt names 'gone', which the results lack"),
        (code("draw()", value("", svg=SVG), alt="A gap.", caption="By {{gap:zz}}."), "its caption names 'zz' is no format"),
        (code("x", value("<IPython.core.display.HTML object>", html="<b>x</b>")), "an output of type"),
        (code("x", {"output_type": "display_data", "metadata": {}, "data": {"image/jpeg": "x", "text/plain": "<Figure>"}}, alt="A gap."), "an output of type image/jpeg, text/plain; print text or draw"),
        (code("x", {"output_type": "display_data", "metadata": {}, "data": {"application/javascript": "alert(1)", "text/plain": "x"}}), "an output of type application/javascript"),
        (code("x", {"output_type": "display_data", "metadata": {}, "data": {}}), "an output of type unknown"),
        (prose("<script>x</script>"), "raw HTML in the text"),
        (prose("x\n==="), "a line that becomes a heading"),
        (prose("```\nx"), "this code block never ends"),
        (prose("[x](javascript:y)"), "a link to 'javascript:'"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(
    cell: dict[str, object], said: str, tmp_path: Path
) -> None:
    assert said in refused(tmp_path, cell, gap=0.5)


# ── claims and prose ───────────────────────────────────────────────────────────────────────────


def test_a_claim_shows_sentence_code_and_measured_value(tmp_path: Path) -> None:
    sentence = "The *plain* net_a_b is `a<b` | $x_i$ < 2 * 3 * 4 [x](y) {: z }."
    shown = page(tmp_path, claim("gap-is-large", sentence, TRICKY.replace("\n", " ")))
    assert 'class="cell claim" id="claim-gap-is-large"' in shown
    assert (
        '<a class="claim-number" href="#claim-gap-is-large" aria-label="Link to claim 1">✓1</a>'
        in shown
    )
    text = words(shown)
    assert "The *plain* net_a_b is a<b | xi < 2 * 3 * 4 [x](y) {: z }." in text
    measured = words(inline_html(TRICKY.replace("\n", " ")))
    assert f"Measured {measured}" in text
    assert "a_b_c *x* **y** 2 * 3 * 4 z $5 [l](m) <i>n</i> &amp; {: #o } | {{p}}" in text
    # The sentence stands above: the code begins with what follows it.
    assert "claim gap-is-large:" not in text


@pytest.mark.parametrize("end", ["{: onclick=x }", "\n{: onclick=x }", "{ .a #b }"])
def test_no_words_of_a_notebook_set_attributes(end: str, tmp_path: Path) -> None:
    table = f"<table><tr><th>a {end}</th><td>{end}</td></tr></table>"
    cells = [
        claim("gap-is-large", f"A gap {' '.join(end.split())}", f"0.2 {end}"),
        code(f"x  # {' '.join(end.split())}", printed(f"x {end}"), value("x", html=table)),
        code("d()", value("", svg=SVG), alt=f"A gap {end}", caption=f"A gap {end}"),
        prose(f"A *b* {end}\n\n- c {end}\n\n## D {end}"),
    ]
    shown = page(tmp_path, *cells)
    assert shown.count("onclick=x" if "onclick" in end else ".a #b") >= 9


def test_prose_of_a_notebook_is_woven_and_its_headings_lowered(tmp_path: Path) -> None:
    text = "# Title\n\n## Part *one*\n\n`## code` $x$ {{a}} [#b] 0.5\n\n```\n# in code\n```\n\n###### deep"
    shown = page(tmp_path, prose(text))
    assert "Title" not in shown
    assert re.search(r"<h3 [^>]*>Part <em>one</em>", shown)
    assert "{{a}} [#b] 0.5" in html.unescape(shown)
    assert "# in code" in words(shown)
    assert "<h6" in shown


def test_headings_are_lowered_by_one_level() -> None:
    assert shift_headings("## a\n# b\n### c\n#d") == "### a\n#### c\n#d"
    assert shift_headings("###### a") == "###### a"
