r"""LaTeX → MathML Core, at build time, in a form that Markdown leaves alone.

A formula becomes `<span class="math" data-search-exclude><math>…</math></span>`; a displayed one
has the class `display` too. It is a span in both cases: a `div` would break a paragraph, a list
item or a table cell in two.
"""

from __future__ import annotations

import html
import re
import unicodedata
from xml.etree import ElementTree
from xml.parsers import expat

from math_core import LatexError, LatexToMathML

# The converter is recursive native code: some ten thousand levels end the whole process. Formulas
# that people write are far below both limits.
MAX_LENGTH = 2000
MAX_DEPTH = 50

_CONVERTER = LatexToMathML(fancy_error=False, max_expansions=100)

_ELEMENTS = frozenset(
    "math mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow mspace msqrt "
    "mstyle msub msubsup msup mtable mtd mtext mtr munder munderover".split()
)
_PLAIN = r"[a-zA-Z0-9.%+-]+"
_DECLARATION = (
    r"(text-align|justify-items|padding-left|padding-right):\s*(left|right|center|start|end|"
    r"[0-9.]+(em)?);?\s*|margin-left:-0\.\d+em;"
)
_ATTRIBUTES = {
    **dict.fromkeys(
        "accent accentunder columnspan depth display displaystyle fence form height largeop "
        "linethickness lspace mathvariant maxsize minsize movablelimits rowspan rspace scriptlevel "
        "separator stretchy symmetric voffset width".split(),
        re.compile(_PLAIN),
    ),
    "style": re.compile(f"({_DECLARATION})+"),
}
# Definitions can double a text at each step; the site has no use for them.
_DEFINITION = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand|[egx]?def|let|DeclareMathOperator|newenvironment)"
    r"(?![a-zA-Z])"
)
# Each formula would count from (1) again.
_NUMBERED = re.compile(r"\\begin\{(equation|eqnarray|align|alignat|flalign|gather|multline)\*?\}")
_LINES = {"\u0332": "_"}  # over- and underlines: browsers stretch the mark beside its letters
_HARMLESS = frozenset(" (),.+/;%")  # to Markdown, between tags


class MathsError(ValueError):
    """A formula that cannot be shown; the message says why, and gives the formula."""


def to_mathml(latex: str, display: bool) -> str:
    r"""One formula → one line of HTML.

    Args:
        latex: the formula without its dollars.
        display: whether it stands on a line of its own, with limits above and below.

    Raises:
        MathsError: LaTeX that the converter does not know, or that would bring anything but
            MathML: links, styles, classes, identifiers.
    """
    formula = latex.strip()
    try:
        _bounds(formula)
        try:
            mathml = _CONVERTER.convert_with_local_state(formula, displaystyle=display)
        except LatexError as error:
            raise MathsError(re.sub(r"^\d+: ", "", str(error)).rstrip(".")) from None
        body = _serialise(mathml)
    except MathsError as error:
        shown = " ".join(formula.encode("utf-8", "replace").decode("utf-8").split())
        shown = shown if len(shown) <= 80 else shown[:79] + "…"
        raise MathsError(f"{error} in '{shown}'") from None
    return f'<span class="math{" display" * display}" data-search-exclude>{body}</span>'


def _bounds(formula: str) -> None:
    if not formula:
        raise MathsError("an empty formula")
    if len(formula) > MAX_LENGTH:
        raise MathsError(f"a formula of {len(formula)} characters (at most {MAX_LENGTH})")
    for char in formula:
        if unicodedata.category(char)[0] == "C" and char not in "\t\n\r":
            raise MathsError(f"the character U+{ord(char):04X}")
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", formula):
        depth += 1 if brace == "{" else -1
        if depth > MAX_DEPTH:
            raise MathsError(f"braces nested more than {MAX_DEPTH} deep")
    definition = _DEFINITION.search(formula)
    if definition:
        raise MathsError(f"a definition ({definition[0]})")
    numbered = _NUMBERED.search(formula)
    if numbered:
        raise MathsError(f"the numbered environment {numbered[1]} (write 'aligned' or 'gathered')")


def _text(text: str) -> str:
    """Text of a token, with all that Markdown could read as a mark written as an entity."""
    shown = []
    for char in _LINES.get(text, text):
        if char.isascii():
            plain = char.isalnum() or char in _HARMLESS
        else:
            plain = unicodedata.category(char)[0] not in "CZ"
        shown.append(char if plain else f"&#{ord(char)};")
    return "".join(shown)


def _serialise(mathml: str) -> str:
    """MathML as the converter wrote it → the same tree, checked against the allowed names."""
    out: list[str] = []
    sized: list[bool] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name not in _ELEMENTS:
            raise MathsError(f"what would become the element <{name}>")
        for key, value in attributes.items():
            if key not in _ATTRIBUTES or not _ATTRIBUTES[key].fullmatch(value):
                raise MathsError(f"what would become the attribute {key}='{value}'")
        # A bracket of a given size has it only in a row of its own, where it is a script's base.
        sized.append("minsize" in attributes)
        out.append("<mrow>" * sized[-1] + f"<{name}")
        out.extend(f' {key}="{value.strip()}"' for key, value in attributes.items())
        out.append(">")

    def end(name: str) -> None:
        out.append(f"</{name}>" + "</mrow>" * sized.pop())

    def data(text: str) -> None:
        out.append(_text(text))

    def named(match: re.Match[str]) -> str:
        return match[0] if match[1] in ("lt", "gt", "amp", "quot") else html.unescape(match[0])

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data
    try:
        parser.Parse(re.sub(r"&(\w+);", named, mathml), True)
    except expat.ExpatError as error:
        raise MathsError(f"what cannot be written as MathML ({error})") from None
    return "".join(out)


# ── finding maths in Markdown ──────────────────────────────────────────────────────────────────

# Neither kind holds a bare dollar or crosses a blank line: an amount of money stays text, and a
# forgotten dollar does not swallow the next paragraph.
_BODY = r"(?:(?!\\?\n[ \t]*\n)(?:\\.|[^$\\]))++"
_MATHS = re.compile(
    rf"""
    \\.
  | \$\$(?P<display>{_BODY})\$\$
  | \$(?=\S)(?P<inline>{_BODY})(?<=\S)\$(?!\d)
    """,
    re.X | re.S,
)


def split_maths(text: str) -> list[tuple[str, str]]:
    r"""Cut Markdown (without its code) into ("text" | "inline" | "display", content).

    A dollar opens maths only before a non-space and closes it only after a non-space and not
    before a digit; `\$` is a literal dollar and stays in the text as it is; a dollar that is not
    closed is text. The contents, with their dollars, join to `text`.
    """
    pieces: list[tuple[str, str]] = []
    done = 0
    for match in _MATHS.finditer(text):
        kind = match.lastgroup
        if kind is None or not match[kind].strip():
            continue
        if match.start() > done:
            pieces.append(("text", text[done : match.start()]))
        pieces.append((kind, match[kind]))
        done = match.end()
    if done < len(text):
        pieces.append(("text", text[done:]))
    return pieces


# ── words ──────────────────────────────────────────────────────────────────────────────────────

_RAISED = str.maketrans("0123456789+−=()niT⊤", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿⁱᵀᵀ")
_LOWERED = str.maketrans(
    "0123456789+−=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ"
)
_OVER = dict(zip("ˆ¯˜˙¨\u20d7ˇ", "\u0302\u0304\u0303\u0307\u0308\u20d7\u030c", strict=True))
_RELATIONS = frozenset("=<>≤≥≠≈≡∼∝←→⇒∈≪≫≔")


def to_text(latex: str) -> str:
    r"""One formula → one line of text, for places that show no maths; what is no maths stays.

    `h_{t-1}` becomes hₜ₋₁, `\frac{a+1}{b}` (a+1)/b, `\sqrt{d}` √d, `\hat{x}` x̂.
    """
    try:
        mathml = to_mathml(latex, display=False)
    except MathsError:
        return latex
    found = re.search(r"<math\b.*</math>", mathml, re.DOTALL)
    words = _words(ElementTree.fromstring(found[0])) if found else latex
    words = re.sub(r"\u2061(?!\()", " ", words)  # a function's name and what it is applied to
    words = re.sub(r"[\u2061-\u2064\ufe00\ufe01]", "", words)
    return re.sub(r"(?<=\() | (?=[),;])|(?<=^−) ", "", " ".join(words.split())).rstrip(";")


def _words(node: ElementTree.Element) -> str:
    parts = [_words(child) for child in node]
    match node.tag:
        case "mi" | "mn" | "mtext":
            text = node.text or ""
            # Bold and script letters are others, which few fonts have; ℝ and ℓ are older.
            return "".join(
                unicodedata.normalize("NFKC", c) if c > "\U0001d3ff" else c for c in text
            )
        case "mo":
            sign = node.text or ""
            return f" {sign} " if sign in _RELATIONS else sign + " " * (sign == ",")
        case "mspace":
            return " "
        case "mfrac":
            bar = " over " if node.get("linethickness") else "/"
            return bar.join(map(_grouped, parts))
        case "msqrt":
            return f"√{_grouped(''.join(parts))}"
        case "mroot":
            return f"{_script(parts[1], _RAISED, '^')}√{_grouped(parts[0])}"
        case "msub" | "munder":
            return parts[0] + _script(parts[1], _LOWERED, "_")
        case "msup":
            return parts[0] + _script(parts[1], _RAISED, "^")
        case "msubsup" | "munderover":
            lower, upper = _script(parts[1], _LOWERED, "_"), _script(parts[2], _RAISED, "^")
            return parts[0] + lower + upper
        case "mover" if parts[1] in _OVER and len(parts[0]) == 1:
            return parts[0] + _OVER[parts[1]]
        case "mover":
            return parts[0] + _script(parts[1], _RAISED, "^")
        case "mtr":
            return " ".join(parts) + "; "
    return "".join(parts)


def _grouped(text: str) -> str:
    text = text.strip()
    alone = len(text) == 1 or text.isalnum() or re.fullmatch(r"\([^()]*\)", text)
    return text if alone else f"({text})"


def _script(text: str, table: dict[int, int], mark: str) -> str:
    text = "".join(text.split())
    if set(text) <= {"′", "″", "‴"}:
        return text
    small = text.translate(table)
    if all(ord(char) in table for char in text):
        return small
    return f"{mark}{_grouped(text)}"
