"""The gates over a built site: a good small site passes, and each planted fault is named."""

from __future__ import annotations

import gzip
import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.check import check_site, weights
from stages.policy import policy_of, with_policy, write_policy

URL = "https://example.org/bank/"
PAGE = "questions/01-residual/index.html"
BARE = "questions/02-dropout/index.html"
VIEW = "notebooks/01-residual/index.html"
NOTEBOOK = "notebooks/01-residual.ipynb"
MEASURED = "plain 0.52, residual `0.11` & less (worst $g$ 0.31)"

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A bank</title>
<link rel="canonical" href="https://example.org/bank/{address}">
<link rel="stylesheet" href="{base}assets/main.0123abcd.css">
<link rel="icon" href="{base}assets/icon.png">
<script src="{base}assets/main.0123abcd.js"></script>
<script>let theme = "of the theme's own";</script></head>
<body style="background: url({base}assets/icon.png)"><a href="#top">up</a>
<header><img src="{base}assets/icon.png" alt=""><a href="https://example.org/bank">Home</a>
<a href="{base}questions/01-residual/#claim-gap">First</a>
<a href="https://elsewhere.example/">Elsewhere</a></header>
"""
FINISHED = """<article><h1 id="question">Why?</h1><p>A Traceback (most recent call last) is text.</p>
<div class="claim" id="claim-gap"><pre class="output"><code>plain 0.52</code></pre></div>
<p><img src="figure.svg" alt="Two curves part after the first epoch" width="614" height="326"
 srcset="figure.svg 1x, ../../assets/icon.png 2x" loading="lazy"></p>
<table><thead><tr><th>Claim</th></tr></thead><tbody>
<tr><td>It grows.</td><td>plain 0.52, residual <code>0.11</code> &amp; less
(worst <math><mi>g</mi></math> 0.31)</td><td><a href="#claim-gap">cell</a></td></tr>
</tbody></table>
<a href="../02-dropout/?h=x#question">Next</a> <a href="../../notebooks/01-residual.ipynb">Get</a>
<a href="https://example.org/bank/notebooks/01-residual/">View</a>
<a name="here"></a><a href="#here">Here</a> <a href="mailto:a@example.org">Mail</a> <a href="https://example.org/other/">Neighbour</a>
</article></body></html>
"""
UNFINISHED = """<article><h1 id="question">What?</h1><p>Not yet checked by
an experiment.</p></article></body></html>
"""
FIGURE = """<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "https://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">
<defs><path id="m" d="M0 0"/></defs><style>path{fill:url(#m)}</style><use xlink:href="#m"/></svg>
"""
CSS = """/* url(https://comment.example/) */
@font-face { font-family: Maths; src: url("maths.woff2"); }
.icon { background: url('data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg"/>') }
"""


def record(number: int, stem: str) -> dict[str, object]:
    """One entry of questions.json for a question without a notebook."""
    url = f"questions/{stem}/"
    return {"number": number, "stem": stem, "url": url, "claims": [], "notebook": None}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site of two questions, one of them with a notebook, in which nothing is wrong."""
    claims = [{"slug": "gap", "text": "It grows.", "measured": MEASURED, "url": "…"}]
    finished = record(1, "01-residual") | {"claims": claims, "notebook": {"path": NOTEBOOK}}
    questions = {"title": "A bank", "questions": [finished, record(2, "02-dropout")]}

    def page(address: str, base: str, rest: str) -> str:
        return HEAD.format(address=address, base=base) + rest

    files: dict[str, str | bytes] = {
        "index.html": page("", "", "<main>Two questions</main></body></html>"),
        "404.html": page("404.html", "/bank/", "<article>Not found</article></body></html>"),
        PAGE: page("questions/01-residual/", "../../", FINISHED),
        BARE: page("questions/02-dropout/", "../../", UNFINISHED),
        VIEW: page("notebooks/01-residual/", "../../", "<article>A view</article></body></html>"),
        NOTEBOOK: json.dumps({"cells": []}),
        "questions.json": json.dumps(questions),
        "sitemap.xml": f"<urlset><url><loc>{URL}questions/02-dropout/</loc></url></urlset>",
        "questions/01-residual/figure.svg": FIGURE,
        "assets/main.0123abcd.css": CSS,
        "assets/main.0123abcd.js": "let here;",
        "assets/maths.woff2": random.Random(0).randbytes(40_000),
        "assets/icon.png": b"\x89PNG",
        "search/search_index.json": "{}",
        "assets/workers/search.0123abcd.js": "let worker;",
    }
    root = tmp_path / "site"
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (root / name).write_bytes(data)
    write_policy(root)
    return root


def change(site: Path, name: str, old: str, new: str) -> None:
    """Replace a text in a file of the site."""
    text = (site / name).read_text("utf-8")
    assert old in text
    (site / name).write_text(text.replace(old, new), "utf-8")


def entries(site: Path, edit: Callable[[list[dict[str, object]]], object]) -> None:
    """Edit the questions of questions.json."""
    document = json.loads((site / "questions.json").read_text("utf-8"))
    edit(document["questions"])
    (site / "questions.json").write_text(json.dumps(document), "utf-8")


def said(site: Path, site_url: str | None = URL) -> str:
    """All faults, one a line."""
    return "\n".join(map(str, check_site(site, site_url=site_url)))


@pytest.mark.parametrize("site_url", [URL, URL.rstrip("/"), None])
def test_a_good_site_passes(site: Path, site_url: str | None) -> None:
    assert said(site, site_url) == ""


def test_a_good_site_at_the_root_of_its_host_passes(site: Path) -> None:
    for name in (path for path in site.rglob("*") if path.suffix in (".html", ".xml")):
        text = name.read_text("utf-8").replace("https://example.org/other/", "../../")
        text = text.replace("https://example.org/bank", "https://example.org")
        text = re.sub("<meta http-equiv=[^>]*>", "", text)
        name.write_text(text.replace('"/bank/', '"/').replace("(/bank/", "(/"), "utf-8")
    write_policy(site)
    assert said(site, "https://example.org/") == said(site, "https://example.org") == ""
    assert said(site, None) == ""


def test_a_folder_that_is_no_site_is_refused(tmp_path: Path) -> None:
    assert "this is not a built site" in said(tmp_path)
    assert "this is not a built site" in said(tmp_path / "missing")


# Each plants one fault: file, what to replace, by what, and what the one fault must say.
IN_ARTICLE = ("</article>", "{}</article>")
PLANTED = {
    "link to nothing": (PAGE, "../02-dropout/?h=x", "../03-gone/", "folder that the site does not"),
    "link to a missing file": (PAGE, "01-residual.ipynb", "gone.ipynb", "leads to no file"),
    "link out of the site": (PAGE, "../02-dropout/", "../../../x/", "leaves the site"),
    "link past the base path": (PAGE, "../02-dropout/", "/other/", "base path is /bank/"),
    "absolute link to nothing": (PAGE, f"{URL}notebooks", f"{URL}books", "does not have"),
    "fragment without element": (PAGE, "?h=x#question", "#gone", f"no element of {BARE}"),
    "no address": (PAGE, "https://example.org/other/", "https://[x/", "is not an address"),
    "no address in a frame": (VIEW, *IN_ARTICLE, "<iframe src='//[x'></iframe>", "not an address"),
    "no link in the row": (
        PAGE,
        'href="#claim-gap">cell',
        'href="gone">cell',
        "links to #claim-gap",
    ),
    "srcset to nothing": (PAGE, "icon.png 2x", "gone.png 2x", 'srcset="../../assets/gone.png"'),
    "relative link on the 404 page": ("404.html", "/bank/questions", "questions", "is relative"),
    "base tag": ("index.html", "<title>", "<base href='/bank/'><title>", "a <base> tag"),
    "font that is missing": ("assets/main.0123abcd.css", "maths.woff2", "m.woff2", "url(m.woff2)"),
    "sitemap to nothing": ("sitemap.xml", "02-dropout", "03-gone", "sitemap.xml:1: <loc>"),
    "no alt text": (PAGE, 'alt="Two curves part after the first epoch" ', "", "has no alt text"),
    "empty alt text": (PAGE, "Two curves part after the first epoch", " ", "has no alt text"),
    "no alt outside": ("index.html", ' alt=""', "", "icon.png has no alt text"),
    "file name as alt": (PAGE, "Two curves part after the first epoch", "f-1.PNG", "f-1.PNG"),
    "alt of nbconvert": (
        PAGE,
        "Two curves part after the first epoch",
        "No description has been provided for this image",
        "describes nothing",
    ),
    "no width": (PAGE, 'width="614" ', "", "no width and height"),
    "no claim element": (PAGE, 'class="claim" id="claim-gap"', "", "no element has the id claim"),
    "no evidence row": (PAGE, '<a href="#claim-gap">cell</a>', "cell", "links to #claim-gap"),
    "other measured text": (PAGE, "plain 0.52, residual", "plain 0.53, residual", "not show what"),
    "not said unchecked": (BARE, "Not yet", "Hardly", "does not say 'Not yet checked"),
    "broken notebook": (NOTEBOOK, "{", "", "it is not a notebook"),
    "questions.json broken": ("questions.json", '"questions": [', '"questions": [[', "is not JSON"),
    "questions.json odd": ("questions.json", '"questions"', '"answers"', "no list of questions"),
    "page gone": ("questions.json", "questions/02-dropout/", "questions/2/", "page of question 2"),
    "page without address": ("questions.json", "questions/02-dropout/", "", "without an address"),
    "traceback": (
        PAGE,
        "<code>plain 0.52",
        "<code><b>E</b> Traceback (most recent call last)",
        "an output shows a traceback",
    ),
    "stderr": (
        VIEW,
        "A view",
        '<div data-mime-type="application/vnd.jupyter.stderr">warn</div>',
        "an error or standard error",
    ),
    "error class": (PAGE, 'class="output"', 'class="output output_error"', "shows an error"),
    "foreign script": (
        "index.html",
        'src="assets/main.0123abcd.js"',
        'src="//cdn.example/x.js"',
        "<script> asks another host: //cdn.example/x.js",
    ),
    "preconnect": (
        "index.html",
        'rel="icon" href="',
        'rel="preconnect" href="https://f.example/',
        "f",
    ),
    "foreign form": (VIEW, *IN_ARTICLE, "<form action=https://x.example/></form>", "<form> asks"),
    "foreign frame": (
        VIEW,
        *IN_ARTICLE,
        "<iframe src='\\\\x.example\\'></iframe>",
        "<iframe> asks",
    ),
    "foreign poster": (VIEW, *IN_ARTICLE, "<video poster=https://x.example/a></video>", "<video>"),
    "ping": (PAGE, "<a href=", '<a ping="https://x.example/" href=', "<a> asks another host"),
    "refresh": (
        "index.html",
        "<title>",
        '<meta http-equiv="refresh" content="0; url=https://x.example/"><title>',
        "<meta> asks",
    ),
    "import in css": (
        "assets/main.0123abcd.css",
        "@font-face",
        '@import "https://fonts.example/a.css"; @font-face',
        "main.0123abcd.css:2: the style asks another host",
    ),
    "style attribute": (PAGE, "../../assets/icon.png)", "https://x.example/i.png)", "the style"),
    "style element": (
        "index.html",
        "<title>",
        "<style>\n\na{b:url(//x.example/)}</style><title>",
        "index.html:4: the style asks another host: //x.example/",
    ),
    "svg script": (
        "questions/01-residual/figure.svg",
        "<defs>",
        "<script>alert(1)</script><defs>",
        "figure.svg:4: the drawing holds a <script>",
    ),
    "svg foreign object": (
        "questions/01-residual/figure.svg",
        "<defs>",
        "<foreignObject/><defs>",
        "holds a <foreignobject>",
    ),
    "svg handler": (
        "questions/01-residual/figure.svg",
        "<path id",
        '<path onload="x()" id',
        "event handler onload",
    ),
    "svg reference": (
        "questions/01-residual/figure.svg",
        'xlink:href="#m"',
        'xlink:href="other.svg#m"',
        "something outside itself",
    ),
    "svg style": (
        "questions/01-residual/figure.svg",
        "fill:url(#m)",
        "fill:url(https://x.example/)",
        "has a style that loads",
    ),
    "svg entity": (
        "questions/01-residual/figure.svg",
        '<svg xmlns="',
        '<!DOCTYPE svg [<!ENTITY x "y">]><svg xmlns="',
        "declares",
    ),
    "svg style sheet": (
        "questions/01-residual/figure.svg",
        "<svg xmlns=",
        '<?xml-stylesheet href="x.css"?><svg xmlns=',
        "declares xml-stylesheet",
    ),
    "inline script": (PAGE, *IN_ARTICLE, "<script>x()</script>", "a script stands in the page"),
    "handler": (PAGE, "<h1 ", '<h1 onclick="x()" ', "<h1> has the event handler onclick"),
    "script link": (
        PAGE,
        "mailto:a@example.org",
        "java\tscript:x()",
        "<a> has a script as its href",
    ),
    "handler in the theme": (
        PAGE,
        "<header>",
        '<header onclick="x()">',
        "01-residual/index.html:9: <header> has the event handler onclick, which the policy stops",
    ),
    "no policy": (VIEW, "Content-Security-Policy", "x", "the page has no Content-Security-Policy"),
    "policy for another host": (
        "404.html",
        "connect-src 'self'",
        "connect-src https://x.example",
        "404.html:2: the policy's connect-src allows https://x.example",
    ),
    "policy for all scripts": (
        "index.html",
        "script-src 'self'",
        "script-src 'self' 'unsafe-inline'",
        "the policy's script-src allows 'unsafe-inline'",
    ),
    "script without hash": (
        "index.html",
        "let theme",
        "let other",
        "index.html:7: the policy lacks the hash of an inline text (script-src)",
    ),
    "empty page": (VIEW, "A view", " ", "the page is empty"),
}


@pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED.keys())
def test_a_planted_fault_is_named(site: Path, planted: tuple[str, ...]) -> None:
    name, old, new, *rest = planted
    *filling, expected = rest
    change(site, name, old, new.format(*filling) if filling else new)
    assert expected in said(site)
    assert all(fault.todo for fault in check_site(site, site_url=URL))


def test_faults_tell_file_and_line(site: Path) -> None:
    change(site, PAGE, "../02-dropout/?h=x#question", "../gone.html")
    line = (site / PAGE).read_text("utf-8")[: (site / PAGE).read_text("utf-8").index("gone")]
    (fault,) = check_site(site, site_url=URL)
    assert (fault.path, fault.line) == (PAGE, line.count("\n") + 1)


@pytest.mark.parametrize("name", ["404.html", "sitemap.xml", "questions.json", NOTEBOOK, VIEW])
def test_a_missing_file_is_named(site: Path, name: str) -> None:
    (site / name).unlink()
    (site / "notebooks/02-other").mkdir()
    (site / "notebooks/02-other/index.html").write_text("another view", "utf-8")
    assert f"\n{name}: " in "\n" + said(site)


def test_without_any_view_none_is_missed(site: Path) -> None:
    (site / VIEW).unlink()
    change(site, PAGE, f'<a href="{URL}notebooks/01-residual/">View</a>', "")
    assert said(site) == ""


@pytest.mark.parametrize(
    "name", ["a.tmp", "b.css~", ".x.part", ".ipynb_checkpoints/a", ".generated"]
)
def test_a_temporary_file_is_named(site: Path, name: str) -> None:
    (site / name).parent.mkdir(exist_ok=True)
    (site / name).write_text("x", "utf-8")
    assert f"{name}: a temporary file" in said(site)


def test_bytes_that_are_not_utf8_are_named(site: Path) -> None:
    (site / "notes.txt").write_bytes(b"abc\xff")
    assert "notes.txt: not UTF-8 at byte 3" in said(site)


def test_a_page_that_is_not_listed_is_named(site: Path) -> None:
    entries(site, lambda questions: questions.pop())
    assert f"{BARE}: the page is not listed" in said(site)


def test_a_plain_list_of_questions_is_read_too(site: Path) -> None:
    questions = json.loads((site / "questions.json").read_text("utf-8"))["questions"]
    (site / "questions.json").write_text(json.dumps(questions), "utf-8")
    assert said(site) == ""


@pytest.mark.parametrize("odd", ['{"questions": [1]}', '{"questions": [{}]}', "3", '""', "null"])
def test_odd_data_is_refused_with_a_sentence(site: Path, odd: str) -> None:
    (site / "questions.json").write_text(odd, "utf-8")
    assert "questions.json: " in said(site)


def test_a_claim_of_odd_form_is_refused_with_a_sentence(site: Path) -> None:
    entries(site, lambda questions: questions[0].update(claims=["gap"]))
    assert "questions.json: a claim of question 1 " in said(site)


def test_a_page_too_heavy_is_named_with_its_heaviest_parts(site: Path) -> None:
    noise = random.Random(1).randbytes(70_000)
    (site / "assets/icon.png").write_bytes(noise)
    assert f"{PAGE}: the page with its figures: 7" in said(site)
    assert "KB gzipped, over 70; make it lighter (heaviest, in KB: assets/icon.png 70.0" in said(
        site
    )
    assert BARE not in said(site)  # there it is decoration, no figure


def study_page(site: Path, script: str, code: bytes = b"let study;") -> None:
    """Give the site a study page with this script."""
    head = HEAD.format(address="study/", base="../")
    page = f'{head}<article>Study <script src="../{script}"></script></article></body></html>'
    (site / "study").mkdir()
    (site / "study/index.html").write_text(with_policy(page, policy_of([page])), "utf-8")
    (site / script).write_bytes(code)


def test_a_study_page_needs_its_script(site: Path) -> None:
    study_page(site, "assets/study.0123abcd.js")
    assert said(site) == ""


def test_a_study_page_without_its_script_is_named(site: Path) -> None:
    study_page(site, "assets/home.0123abcd.js")
    assert said(site) == (
        "study/index.html: the page has no scheduler, because ts-fsrs was missing; "
        "install Node.js 20 or newer, and build with `make site`"
    )


def test_a_study_page_too_heavy_is_named(site: Path) -> None:
    study_page(site, "assets/study.0123abcd.js", random.Random(1).randbytes(80_000))
    assert "study/index.html: the page with its script and style: 80." in said(site)


def test_fonts_that_a_style_sheet_names_are_weighed(site: Path) -> None:
    (site / "assets/maths.woff2").write_bytes(random.Random(1).randbytes(110_000))
    assert f"{PAGE}: the theme, code and fonts that it names: 110." in said(site)
    assert f"{BARE}: the theme, code and fonts" in said(site)
    pages = list(site.rglob("*.html"))  # every page is held to it
    assert said(site).count("the theme, code and fonts") == len(pages)


def test_an_id_that_stands_twice_is_named(site: Path) -> None:
    page = site / PAGE
    page.write_text(
        page.read_text("utf-8").replace(
            "</article>", '<p id="twin"></p><p id="twin"></p></article>'
        ),
        "utf-8",
    )
    assert "the id 'twin' stands twice; give each its own" in said(site)


def test_weights_are_those_of_gzip(site: Path) -> None:
    found = weights(site, site_url=URL)
    page = found["pages"][PAGE]
    html = len(gzip.compress((site / PAGE).read_bytes(), 9, mtime=0))
    assert page["html"] == page["files"][PAGE] == html
    figure = len(gzip.compress(FIGURE.encode(), 9, mtime=0))
    assert page["figures"] == figure + len(b"\x89PNG")
    code = sum(len(gzip.compress(text.encode(), 9, mtime=0)) for text in (CSS, "let here;"))
    assert page["theme"] == code + 40_000
    assert set(found["search"]) == {"search/search_index.json", "assets/workers/search.0123abcd.js"}
    assert found["pages"]["index.html"]["figures"] == 0


def test_an_imported_style_sheet_is_weighed(site: Path) -> None:
    (site / "assets/more.css").write_text("@import 'main.0123abcd.css';", "utf-8")
    change(site, "assets/main.0123abcd.css", "@font-face", "@import 'more.css'; @font-face")
    assert "assets/more.css" in weights(site)["pages"][PAGE]["files"]
