"""Maths: LaTeX → MathML, its way through Python-Markdown, the font, and where maths is found."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser
from pathlib import Path

import markdown
import pytest
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from math_core import LatexError, LatexToMathML

import make_font
from stages.maths import MAX_DEPTH, MAX_LENGTH, MathsError, split_maths, to_mathml, to_text

ROOT = Path(__file__).resolve().parent.parent

EXTENSIONS = [
    "attr_list",
    "md_in_html",
    "tables",
    "footnotes",
    "def_list",
    "toc",
    "pymdownx.superfences",
    "pymdownx.details",
    "pymdownx.betterem",
]

MARKDOWN = markdown.Markdown(extensions=EXTENSIONS)

# The formulas of the field; the browser tests and the font test use them too.
SHEET = [
    r"a*b*c",
    r"x_i^{(l)}",
    r"\hat{y}=\sigma(Wx+b)",
    r"\mathbb{R}^{m\times n}",
    r"\lVert w\rVert_2^2",
    r"f'(x)+f''(x)",
    r"\frac{\partial L}{\partial w}=\sum_{i=1}^{n}\frac{\partial L}{\partial z_i}",
    r"z^{(l)}=W^{(l)}a^{(l-1)}+b^{(l)}",
    r"\begin{aligned}m_t&=\beta_1m_{t-1}\\ v_t&=\beta_2v_{t-1}+(1-\beta_2)g_t^2\end{aligned}",
    r"\operatorname{ReLU}(x)=\begin{cases}x&\text{if }x>0\\0&\text{otherwise}\end{cases}",
    r"J=\begin{pmatrix}\frac{\partial f_1}{\partial x_1}&\cdots\\ \vdots&\ddots\end{pmatrix}",
    r"\operatorname{softmax}(z)_i=\frac{e^{z_i}}{\sum_j e^{z_j}}",
    r"\operatorname{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right)V",
    r"\mathcal{L}(\theta)=-\mathbb{E}_{x\sim p}\left[\log p_\theta(x)\right]",
    r"c_t=f_t\odot c_{t-1}+i_t\odot\tilde c_t",
    r"D_{\mathrm{KL}}(p\,\|\,q)=\int p(x)\log\frac{p(x)}{q(x)}\,dx",
    r"\min_G\max_D\;\mathbb{E}[\log D(x)]",
    r"\underbrace{\frac1n\sum_{i=1}^n\ell(y_i,\hat y_i)}_{\text{data}}+\lambda\lVert w\rVert^2",
    r"\hat x=\frac{x-\mu_B}{\sqrt{\sigma_B^2+\epsilon}},\quad y=\gamma\hat x+\beta",
    r"\prod_{l=1}^{L}\left\lVert W^{(l)}\right\rVert\le\rho^L\to0",
    r"\Bigl(\frac{\partial L}{\partial\theta_1},\dots\Bigr)^\top",
    r"\binom{n}{k}p^k(1-p)^{n-k}\!",
    r"\overline{xy}\;\bar x\;\vec v\;\widehat{ab}\;\dot x\;\mathbf{x}\;\boldsymbol\theta",
    r"A\cup B\cap C\subseteq\Omega,\ \forall x\in S\ \exists y:\ x\neq y\implies\neg P\iff Q",
    r"\lfloor x\rfloor\ \lceil x\rceil\ \langle x,y\rangle\ \sqrt[3]{x+1}\xrightarrow{f}0\pm\epsilon",
    r"\left\{\frac{a}{b}\;\middle|\;\left[x\right]\right\}\approx10^{-3}",
    r"\mathcal{N}(\mu,\sigma^2),\ \mathbb{1}[y=k],\ x\mid y,\ \varepsilon\phi\varphi",
    r"\nabla_\theta L,\ 5\,\%,\ |a|<\infty,\ a_{[1]}, \{x\}, x{:}y, a~b, \Gamma\Delta\Sigma",
]


class Formulas(HTMLParser):
    """The MathML of a page: one list of (tag, attributes) and texts for each formula."""

    def __init__(self) -> None:
        super().__init__()
        self.formulas: list[list[object]] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "math":
            self.formulas.append([])
            self._inside = True
        if self._inside:
            self.formulas[-1].append((tag, tuple(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if self._inside:
            self.formulas[-1].append("/" + tag)
        self._inside = self._inside and tag != "math"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.formulas[-1].append(("text", data))


def formulas(html: str) -> list[list[object]]:
    parser = Formulas()
    parser.feed(html)
    parser.close()
    return parser.formulas


def text_of(html: str) -> str:
    return "".join(str(part[1]) for f in formulas(html) for part in f if part[0] == "text")


def render(source: str) -> str:
    """Markdown with maths → HTML, as the page renderer does it."""
    text = "".join(
        part if kind == "text" else to_mathml(part, kind == "display")
        for kind, part in split_maths(source)
    )
    return MARKDOWN.reset().convert(text)


# ── the conversion ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("display", [False, True])
@pytest.mark.parametrize("latex", SHEET)
def test_the_tree_is_the_one_of_the_converter(latex: str, display: bool) -> None:
    html = to_mathml(latex, display)
    assert "\n" not in html
    theirs = LatexToMathML().convert_with_local_state(latex, displaystyle=display)
    # Ours differs in two ways only: over- and underlines, and rows around brackets of given size.
    theirs = re.sub(r"(<mo [^>]*minsize[^>]*>[^<]*</mo>)", r"<mrow>\1</mrow>", theirs)
    theirs = theirs.replace("\u0332", "_").replace("/>", "></mspace>")
    (expected,), (got,) = formulas(theirs), formulas(html)
    strip = [
        (p[0], tuple((k, (v or "").strip()) for k, v in p[1]))
        if isinstance(p, tuple) and p[0] != "text"
        else p
        for p in expected
    ]
    assert got == strip


def test_inline_and_display_are_told_apart() -> None:
    assert to_mathml("x", False) == (
        '<span class="math" data-search-exclude><math><mi>x</mi></math></span>'
    )
    assert to_mathml(" x\n", True) == (
        '<span class="math display" data-search-exclude>'
        '<math display="block"><mi>x</mi></math></span>'
    )


def test_a_formula_weighs_about_half_a_kilobyte() -> None:
    sizes = sorted(len(to_mathml(latex, False).encode()) for latex in SHEET)
    assert sizes[len(sizes) // 2] < 700


def test_nothing_that_markdown_reads_is_left_in_the_text() -> None:
    html = to_mathml(r"""a*b_c\_[d]\{e\}|f|\#\&`'"~:!<>=\backslash\$@""", False)
    shown = re.sub(r"<[^>]*>|&#\d+;", "", html)
    assert re.fullmatch(r"[a-z∗‘′”]+", shown), shown


@pytest.mark.parametrize(
    ("latex", "why"),
    [
        ("", "empty"),
        ("  \n ", "empty"),
        (r"\href{javascript:alert(1)}{x}", r"\\href"),
        (r"\url{javascript:alert(1)}", r"\\url"),
        (r"\unicode{x202e}", r"\\unicode"),
        (r"\eqref{x}", "<a>"),
        (r"\textbf{x}", "<b>"),
        (r"\boxed{x}", "<menclose>"),
        (r"\color{red}x", "color"),
        (r"\begin{array}{c|c}a&b\end{array}", "border"),
        (r"\begin{align}a&=b\end{align}", "numbered environment align"),
        (r"\begin{equation*}a\end{equation*}", "numbered environment equation"),
        (r"\newcommand{\a}{\a\a}\a", "definition"),
        (r"\def\a#1{#1#1}\a{\a{\a{x}}}", "definition"),
        (r"\let\a\b", "definition"),
        (r"\frac{1}", "argument"),
        (r"\begin{aligned}a", "in "),
        (r"}x", "in "),
        ("a\x00b", "in "),
        ("a\u202eb", r"U\+202E"),
        ("\ud800", "in "),
        ("x" * (MAX_LENGTH + 1), "2001 characters"),
        ("{" * (MAX_DEPTH + 1) + "x" + "}" * (MAX_DEPTH + 1), "nested"),
    ],
)
def test_what_is_not_plain_maths_is_refused(latex: str, why: str) -> None:
    with pytest.raises(MathsError, match=why):
        to_mathml(latex, False)


def test_a_refusal_gives_the_formula_shortened() -> None:
    with pytest.raises(MathsError) as caught:
        to_mathml(r"\nope " + "x" * 500, True)
    assert "Unknown command" in str(caught.value)
    assert r"'\nope xxx" in str(caught.value)
    assert len(str(caught.value)) < 150


def test_a_script_in_a_formula_is_text() -> None:
    html = to_mathml(r"<script>\text{<script>alert(1)</script>}", False)
    assert "<script" not in html
    assert text_of(html) == "<script><script>alert(1)</script>"


@given(st.text(alphabet=r"ab1\{}[]()^_&$#~<>'%*`| " + "\n\x00é≤", max_size=60), st.booleans())
def test_any_text_gives_mathml_or_a_refusal(latex: str, display: bool) -> None:
    try:
        html = to_mathml(latex, display)
    except MathsError:
        return
    assert len(formulas(html)) == 1
    assert "\n" not in html


def test_what_the_converter_says_stays_a_sentence() -> None:
    with pytest.raises(LatexError):  # the planted fault reaches the converter
        LatexToMathML().convert_with_local_state(r"\nope", displaystyle=False)
    with pytest.raises(MathsError, match=r"^Unknown command \"\\nope\" in '\\nope'$"):
        to_mathml(r"\nope", False)


def test_formulas_at_the_limits_do_not_end_the_process() -> None:
    code = (
        "from stages.maths import to_mathml\n"
        "for s in (r'\\sqrt' * 390 + ' x', '{' * 50 + 'x' + '}' * 50, r'\\frac1' * 330 + '1'):\n"
        "    to_mathml(s, True)\n"
    )
    env = {"PYTHONPATH": str(ROOT / "scripts")}
    subprocess.run([sys.executable, "-c", code], env=env, check=True, timeout=60)


# ── through Markdown ───────────────────────────────────────────────────────────────────────────

PLACES = {
    "first in a paragraph": "{} comes first.",
    "alone": "{}",
    "in a paragraph": "It is {}, and {} too, *as* {} is.",
    "in a list": "- one {}\n- {} first\n\n    and {} in a paragraph of an item",
    "in a numbered list": "1. {}\n2. *two* {}",
    "in a table": "| a | b |\n|---|---|\n| {} | x {} |\n",
    "in a heading": "## The sum {}\n\ntext",
    "in bold": "**so {} is bold** and *this {} italic*",
    "in a details block": '??? note "more"\n    {} in it\n\n    {}\n',
    "in a div": '<div class="short" markdown="1">\n\n{} in it\n\nand {}\n\n</div>',
    "in a details tag": (
        '<details markdown="1">\n<summary>ask {}</summary>\n\n{} it\n\n</details>'
    ),
    "in a quotation": "> said {}\n> and {}",
    "in a footnote": "text[^1]\n\n[^1]: as {} shows",
    "in a definition list": "term {}\n\n:   is {}",
    "in a link": "[see {}](https://example.org/a_b)",
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("dollars", ["$", "$$"])
def test_maths_survives_markdown(place: str, dollars: str) -> None:
    for latex in SHEET if place in ("in a paragraph", "in a table") else SHEET[::5]:
        source = PLACES[place].replace("{}", f"{dollars}{latex}{dollars}")
        html = render(source)
        (one,) = formulas(to_mathml(latex, dollars == "$$"))
        assert formulas(html) == [one] * PLACES[place].count("{}"), source
        assert html.count('class="math') == html.count("<math")
        assert "$" not in html


def test_raw_mathml_would_not_survive() -> None:
    raw = "<math><mo>*</mo><mi>x</mi><mo>*</mo></math>"
    assert formulas(MARKDOWN.reset().convert("x " + raw)) != formulas(raw)


def test_a_display_formula_leaves_the_paragraph_whole() -> None:
    html = render("so $$x$$ it is")
    assert html.startswith("<p>so <span") and html.endswith("</span> it is</p>")


# ── finding maths ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("$5 and $10", [("text", "$5 and $10")]),
        ("costs $5.", [("text", "costs $5.")]),
        ("$5 and $10 or $x$", [("text", "$5 and $10 or "), ("inline", "x")]),
        ("$a*b*c$ and $x_i$", [("inline", "a*b*c"), ("text", " and "), ("inline", "x_i")]),
        ("from $x$ to", [("text", "from "), ("inline", "x"), ("text", " to")]),
        ("$x$2", [("text", "$x$2")]),
        ("$ x$", [("text", "$ x$")]),
        ("$x $", [("text", "$x $")]),
        (r"\$5 or $x$", [("text", r"\$5 or "), ("inline", "x")]),
        (r"\\$x$", [("text", "\\\\"), ("inline", "x")]),
        (r"$a \$ b$", [("inline", r"a \$ b")]),
        ("$$\nx\n$$ end", [("display", "\nx\n"), ("text", " end")]),
        ("$$x$$$y$", [("display", "x"), ("inline", "y")]),
        ("$$x$", [("text", "$"), ("inline", "x")]),
        ("$a\nb$", [("inline", "a\nb")]),
        ("$a\n\nb$", [("text", "$a\n\nb$")]),
        ("$a\n \nb$", [("text", "$a\n \nb$")]),
        ("$a\\\n\nb$", [("text", "$a\\\n\nb$")]),
        ("$$a\n\nb$$", [("text", "$$a\n\nb$$")]),
        ("$$$$", [("text", "$$$$")]),
        ("$$ $$", [("text", "$$ $$")]),
        ("$", [("text", "$")]),
        ("", []),
    ],
)
def test_splitting(text: str, pieces: list[tuple[str, str]]) -> None:
    assert split_maths(text) == pieces


def joined(pieces: list[tuple[str, str]]) -> str:
    dollars = {"text": "", "inline": "$", "display": "$$"}
    return "".join(dollars[kind] + content + dollars[kind] for kind, content in pieces)


@given(st.text(alphabet="$$$\\ \nab1{}", max_size=40) | st.text(max_size=40))
def test_the_pieces_join_to_the_text(text: str) -> None:
    pieces = split_maths(text)
    assert joined(pieces) == text
    for kind, content in pieces:
        assert content
        if kind == "inline":
            assert not content[0].isspace() and not content[-1].isspace()
        if kind != "text":
            assert not re.search(r"\n[ \t]*\n", content)
    assert not any(a[0] == b[0] == "text" for a, b in itertools.pairwise(pieces))


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_amounts_of_money_stay_text(a: int, b: int) -> None:
    text = f"between ${a} and ${b} a month"
    assert split_maths(text) == [("text", text)]


# ── the font ───────────────────────────────────────────────────────────────────────────────────


def in_font(char: str) -> set[int]:
    """The code points a browser may look up: a lone letter in <mi> becomes an italic one."""
    code = ord(char)
    if char == "h":
        return {0x210E}
    if "A" <= char <= "Z":
        return {code, 0x1D434 + code - ord("A")}
    if "a" <= char <= "z":
        return {code, 0x1D44E + code - ord("a")}
    if 0x3B1 <= code <= 0x3C9:
        return {0x1D6FC + code - 0x3B1}
    return {ITALIC.get(char, code)}


ITALIC = {"∂": 0x1D715, "ϵ": 0x1D716, "ϑ": 0x1D717, "ϰ": 0x1D718, "ϕ": 0x1D719, "ϱ": 0x1D71A}
ITALIC |= {"ϖ": 0x1D71B, "ı": 0x1D6A4, "ȷ": 0x1D6A5}


def missing(font: TTFont, latex: str, display: bool) -> set[str]:
    """Characters of a formula that the font lacks, variation selectors aside."""
    known = set(font.getBestCmap())
    text = text_of(to_mathml(latex, display))
    return {char for char in text if char not in "\ufe00\ufe01" and not in_font(char) <= known}


@pytest.fixture(scope="module")
def font() -> TTFont:
    return TTFont(make_font.FONT)


def test_the_font_is_light_and_keeps_its_maths_table(font: TTFont) -> None:
    assert make_font.FONT.stat().st_size <= 45_000
    assert font.flavor == "woff2"
    variants = font["MATH"].table.MathVariants
    cmap = font.getBestCmap()
    for char in "([{|√∑∫⟨⌊‖":
        assert cmap[ord(char)] in variants.VertGlyphCoverage.glyphs, char
    for char in "⏟⏞→_\u0302":
        assert cmap[ord(char)] in variants.HorizGlyphCoverage.glyphs, char
    licence = (make_font.FONT.parent / "OFL.txt").read_text("utf-8")
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "STIX" in str(font["name"].getDebugName(0)) and "Reserved" not in licence[:300]


def test_the_font_is_the_one_that_the_tool_describes(font: TTFont) -> None:
    wanted = {code for code in make_font.characters() if unicodedata.category(chr(code)) != "Cn"}
    assert wanted - set(font.getBestCmap()) == set(map(ord, make_font.SCRIPT_STYLES))


def test_the_mended_parts_of_the_font(font: TTFont) -> None:
    variants = font["MATH"].table.MathVariants
    cmap = font.getBestCmap()
    root = variants.VertGlyphConstruction[variants.VertGlyphCoverage.glyphs.index(cmap[0x221A])]
    names = [r.VariantGlyph for r in root.MathGlyphVariantRecord]
    assert {font["hmtx"][name][0] for name in names[1:]} == {make_font.ROOT_WIDTH}
    arrow = variants.HorizGlyphConstruction[variants.HorizGlyphCoverage.glyphs.index(cmap[0x2192])]
    assert all(part.StartConnectorLength for part in arrow.GlyphAssembly.PartRecords[1:])


def test_the_font_holds_the_sheet(font: TTFont) -> None:
    lacking = {latex: missing(font, latex, True) for latex in SHEET}
    assert not {latex: chars for latex, chars in lacking.items() if chars}


def test_a_character_that_the_font_lacks_is_found(font: TTFont) -> None:
    assert missing(font, r"\mathfrak{g}+x", False) == {"𝔤"}


def maths_of(path: Path) -> list[tuple[str, bool]]:
    """The formulas of a source text, or of the Markdown cells of a notebook in percent format."""
    text = path.read_text("utf-8-sig")
    if path.suffix == ".py":
        text = "\n".join(
            line[1:].lstrip() if line.startswith("#") else "" for line in text.splitlines()
        )
    text = re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", text)
    return [(part, kind == "display") for kind, part in split_maths(text) if kind != "text"]


def test_the_font_holds_all_maths_of_the_repository(font: TTFont) -> None:
    lacking = {}
    for path in [
        *ROOT.glob("source/*.txt"),
        *ROOT.glob("notebooks/*.py"),
        *ROOT.glob("examples/*"),
    ]:
        if not path.is_file():
            continue
        for latex, display in maths_of(path):
            chars = missing(font, latex, display)
            if chars:
                lacking[f"{path.name}: {latex}"] = chars
    assert not lacking


def test_the_style_sheet_names_the_font() -> None:
    css = (ROOT / "docs/assets/maths.css").read_text("utf-8")
    for address in re.findall(r'url\("([^"]+)"\)', css):
        assert (ROOT / "docs/assets" / address).is_file()
    assert "http" not in css


# ── formulas as text ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        (r"h_t=\tanh(Wh_{t-1}+Ux_t+b)", "hₜ = tanh(Whₜ₋₁+Uxₜ+b)"),
        (r"\mathrm{softmax}(QK^\top/\sqrt{d})V", "softmax(QKᵀ/√d)V"),
        (r"\gamma(z-\mu)/\sqrt{\sigma^2+\epsilon}+\beta", "γ(z−μ)/√(σ²+ϵ)+β"),
        (r"\lVert x-\hat{x}\rVert^2", "‖x−x̂‖²"),
        (r"\theta\leftarrow\theta-\eta g", "θ ← θ−ηg"),
        (r"-\log p", "−log p"),
        (r"\max(0,z)", "max(0, z)"),
        (r"\frac{a+1}{b}\frac12", "(a+1)/b1/2"),
        (r"\sum_{i=1}^n x_i", "∑ᵢ₌₁ⁿxᵢ"),
        (r"W^{(l)}_i e^{-x}", "Wᵢ^(l)e^(−x)"),
        (r"\nabla_\theta L", "∇_θL"),
        (r"\binom{n}{k} \sqrt[3]{x}", "(n over k)³√x"),
        (r"f'(x) \mathbf{x} \vec{a}", "f′(x)xa\u20d7"),
        (r"\text{if } x", "if x"),
        (r"\begin{aligned}a&=b\\c&=d\end{aligned}", "a = b; c = d"),
        (r"\unknown{x", r"\unknown{x"),
    ],
)
def test_a_formula_can_be_said_in_text(formula: str, shown: str) -> None:
    assert to_text(formula) == shown


@pytest.mark.parametrize("formula", SHEET)
def test_text_has_no_marks_of_latex(formula: str) -> None:
    assert not re.search(r"[\\&\u2061-\u2064\ufe00]|\s\s|^\s|\s$|mspace|<m", to_text(formula))
