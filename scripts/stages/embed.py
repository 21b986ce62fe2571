"""Notebook cells → native parts of a Markdown page.

Code becomes fenced code, text output a quiet block, a DataFrame a table of the site's own,
figures become files with alt text, caption, width and height. Nothing of a notebook's own HTML
reaches the page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from stages.prose import (
    CONTROL,
    Sources,
    escape,
    inline_html,
    literal,
    open_fences,
    value_of,
    weave,
)
from stages.records import Block, Cell, Claim, Evidence, Fault
from stages.validate import published_faults

FOLD_LINES = 20  # longer outputs are folded
INK = "#000000"  # what matplotlib draws text and axes with
INK_ON_DARK = "#d7dae0"
_POINT = 4 / 3  # CSS pixels in a point
_SVG_NAMES = re.compile(r"\{http://www\.w3\.org/2000/svg\}(\w+)")
_SVG_REFUSED = {"script", "foreignObject", "iframe", "object", "embed", "animate", "set", "a"}


@dataclass
class Embedded:
    """A notebook as part of a page: Markdown, the figures' files, and what was wrong.

    `shown` holds the figures' part of the Markdown by itself, each with its caption.
    """

    markdown: str = ""
    shown: tuple[str, ...] = ()
    figures: dict[str, bytes] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


# ── figures ────────────────────────────────────────────────────────────────────────────────────


def adapt_svg(svg: str) -> tuple[str, int, int]:
    """A figure's SVG, made to follow the page's colour scheme, and its size in CSS pixels.

    Raises:
        ValueError: not an SVG, without a size, or with anything in it that could run or fetch.
    """
    if "<!ENTITY" in svg:
        raise ValueError("it declares entities")
    svg = re.sub(
        r"<\?xml[^>]*\?>|<!DOCTYPE[^>]*>|<!--.*?-->|<metadata>.*?</metadata>", "", svg, flags=re.S
    )
    svg = svg.strip()
    try:
        root = ET.fromstring(svg)
    except ET.ParseError as error:
        raise ValueError(f"it is not well-formed ({error})") from None
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        raise ValueError("it is no SVG")
    for element in root.iter():
        name = _SVG_NAMES.fullmatch(str(element.tag))
        if not name or name[1] in _SVG_REFUSED:
            raise ValueError(f"it holds the element '{element.tag}'")
        if name[1] == "style" and re.search(r"url\(|@import|\\", element.text or ""):
            raise ValueError("its style sheet fetches something")
        for key, value in element.attrib.items():
            local = key.rpartition("}")[2].lower()
            fetches = local in ("href", "src") and not value.startswith(("#", "data:image/png;"))
            fetches = fetches or bool(re.search(r"url\((?!\s*['\"]?#)", value))
            if local.startswith("on") or fetches:
                raise ValueError(f"it holds the attribute '{local}'")
    size = [re.fullmatch(r"([\d.]+)(pt|px|)", root.get(side, "")) for side in ("width", "height")]
    if not all(size):
        raise ValueError("it does not say its width and height")
    width, height = (round(float(m[1]) * (_POINT if m[2] == "pt" else 1)) for m in size if m)
    dark = (
        f"<style>@media (prefers-color-scheme:dark){{svg{{fill:{INK_ON_DARK}}}"
        f'[style*="fill: {INK}"]{{fill:{INK_ON_DARK}!important}}'
        f'[style*="stroke: {INK}"]{{stroke:{INK_ON_DARK}!important}}}}</style>'
    )
    # A hundredth of a point is finer than any screen, and halves the weight of a curve.
    svg = re.sub(
        r'(?<=\s)(?:d|points|x|y|x1|y1|x2|y2)="[^"]*"',
        lambda found: re.sub(r"-?\d+\.\d{3,}", lambda n: f"{float(n[0]):.2f}", found[0]),
        svg,
    )
    opened = re.match(r"<svg(?:[^>\"']|\"[^\"]*\"|'[^']*')*+>", svg)
    if not opened or not width or not height:
        raise ValueError("it does not begin with an <svg> of some size")
    return svg[: opened.end()] + dark + svg[opened.end() :], width, height


def _png_size(data: bytes) -> tuple[int, int]:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        raise ValueError("it is no PNG")
    width, height = struct.unpack(">II", data[16:24])
    return width, height


def _figure(data: Mapping[str, Any]) -> tuple[bytes, str, int, int] | None:
    """The picture of an output: bytes, file ending, width and height in CSS pixels."""
    if "image/svg+xml" in data:
        svg, width, height = adapt_svg(str(data["image/svg+xml"]))
        return svg.encode("utf-8"), "svg", width, height
    if "image/png" in data:
        try:
            png = base64.b64decode(str(data["image/png"]).replace("\n", ""), validate=True)
        except binascii.Error as error:
            raise ValueError(f"it is not base64 ({error})") from None
        return png, "png", *_png_size(png)
    return None


# ── tables ─────────────────────────────────────────────────────────────────────────────────────


class _TableReader(HTMLParser):
    """Reads rows of cells out of a table's HTML: its words and spans, nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[tuple[bool, int, int, str]]] = []
        self.head_rows = 0
        self._cell: tuple[bool, int, int] | None = None
        self._words = ""
        self._in_head = False
        self._skip = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("style", "script"):
            self._skip += 1
        elif tag == "thead":
            self._in_head = True
        elif tag == "tr":
            self._close()
            self.rows.append([])
            self.head_rows += self._in_head
        elif tag in ("td", "th") and self.rows:
            self._close()
            spans = {
                k: min(int(v), 1000)
                for k, v in attrs
                if k in ("colspan", "rowspan") and v and re.fullmatch("[0-9]{1,4}", v)
            }
            self._cell = (tag == "th", spans.get("colspan", 1), spans.get("rowspan", 1))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script"):
            self._skip = max(0, self._skip - 1)
        elif tag == "thead":
            self._in_head = False
        elif tag in ("td", "th", "tr", "table"):
            self._close()

    def handle_data(self, data: str) -> None:
        if self._cell and not self._skip:
            self._words += data

    def _close(self) -> None:
        if self._cell:
            self.rows[-1].append((*self._cell, " ".join(self._words.split())))
        self._cell, self._words = None, ""


def table_html(source: str) -> str:
    """A table's HTML (a DataFrame's, say) → a plain, scrollable table; '' if it holds none."""
    reader = _TableReader()
    try:
        reader.feed(source)
        reader.close()
    except AssertionError:  # Python's parser gives up on some declarations
        return ""
    rows = [row for row in reader.rows if row]
    if not rows:
        return ""
    heads = reader.head_rows

    def cell(entry: tuple[bool, int, int, str], in_head: bool) -> str:
        is_head, columns, height, words = entry
        # An empty header cell (a DataFrame's corner) is no header: it heads nothing.
        tag = "th" if is_head and words else "td"
        attributes = f' scope="{"col" if in_head else "row"}"' if tag == "th" else ""
        attributes += f' colspan="{columns}"' if columns > 1 else ""
        attributes += f' rowspan="{height}"' if height > 1 else ""
        return f"<{tag}{attributes}>{escape(words)}</{tag}>"

    lines = [
        "<tr>" + "".join(cell(c, i < heads) for c in row) + "</tr>" for i, row in enumerate(rows)
    ]
    head = f"<thead>{''.join(lines[:heads])}</thead>" if heads else ""
    return (
        '<div class="output output-table" tabindex="0" role="region" aria-label="Table">'
        f'<table class="data">{head}<tbody>{"".join(lines[heads:])}</tbody></table></div>'
    )


# ── cells ──────────────────────────────────────────────────────────────────────────────────────


def _text_output(text: str) -> str:
    """Printed text → a quiet block, folded when it is long."""
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).rstrip("\n")
    printed = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    text = CONTROL.sub("\ufffd", "\n".join(printed))
    lines = len(printed)
    # A blank line would end the HTML block for a Markdown parser: an entity keeps it whole.
    body = escape(text).replace("\n", "&#10;")
    block = f'<pre class="output" tabindex="0"><code class="nohighlight">{body}</code></pre>'
    if lines <= FOLD_LINES:
        return block
    return f'<details class="folded"><summary>Output, {lines} lines</summary>{block}</details>'


def _fence(source: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{source}\n{fence}"


def shift_headings(text: str, by: int = 1) -> str:
    """Markdown with its ATX headings `by` levels deeper; a first-level heading is dropped."""
    lines = text.split("\n")
    fenced, _ = open_fences(lines)
    kept = []
    for i, line in enumerate(lines):
        heading = re.match(r"(#{1,6}) ", line)
        if i in fenced or not heading:
            kept.append(line)
        elif len(heading[1]) > 1:
            kept.append("#" * min(6, len(heading[1]) + by) + line[len(heading[1]) :])
    return "\n".join(kept).strip("\n")


class _Embedder:
    """Walks the cells of one notebook in order; figures are numbered as they come."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.result = Embedded()
        self.claims = {c.slug: n for n, c in enumerate(evidence.claims, 1)}

    def fault(self, cell: Cell, what: str, todo: str) -> None:
        first = cell.source.split("\n", 1)[0][:60]
        where = f"cell {cell.id} ('{first}'): {what}"
        self.result.faults.append(Fault(self.evidence.path, 0, where, todo))

    def filled(self, cell: Cell, name: str) -> str:
        """The cell's `alt` or `caption`, with results filled in."""
        try:
            return value_of(str(cell.metadata.get(name, "")), self.evidence.results)
        except (KeyError, ValueError) as error:
            self.fault(cell, f"its {name} names {error}, which the results lack", "mend it")
            return ""

    def output(self, cell: Cell, output: Mapping[str, Any]) -> str:
        """One output → Markdown or HTML of the page."""
        if output["output_type"] == "stream":
            return _text_output(str(output["text"]))
        data = output.get("data", {})
        try:
            picture = _figure(data)
        except ValueError as error:
            self.fault(cell, f"a figure that cannot be published: {error}", "draw it anew")
            return ""
        if picture:
            return self.figure(cell, *picture)
        if "text/html" in data and (table := table_html(str(data["text/html"]))):
            return table
        unread = any(kind.startswith(("image/", "application/")) for kind in data)
        if "text/plain" in data and not (unread or data["text/plain"].startswith("<IPython")):
            return _text_output(str(data["text/plain"]))
        self.fault(
            cell, f"an output of type {', '.join(data) or 'unknown'}", "print text or draw a figure"
        )
        return ""

    def figure(self, cell: Cell, content: bytes, ending: str, width: int, height: int) -> str:
        number = len(self.result.figures) + 1
        alt, caption = self.filled(cell, "alt"), self.filled(cell, "caption")
        if not str(cell.metadata.get("alt", "")).strip():
            self.fault(
                cell, "a figure without alt text", 'add alt="what is to be seen" to the cell'
            )
        name = f"figure-{number}.{hashlib.sha256(content).hexdigest()[:8]}.{ending}"
        self.result.figures[name] = content
        path = f"{self.evidence.stem}/{name}"
        kind = " .raster" if ending == "png" else ""
        image = (
            f"![{literal(' '.join(alt.split()))}]({path})"
            f'{{ width="{width}" height="{height}" loading="lazy"{kind} }}'
        )
        shown = (
            f"<figcaption>Figure {number}. {inline_html(caption)}</figcaption>" if caption else ""
        )
        figure = f'<figure markdown="span">\n{image}\n{shown}\n</figure>'
        self.result.shown += (figure,)
        return figure

    def claim(self, cell: Cell, claim: Claim) -> str:
        """A claim reads as evidence: its sentence, the code that asserts it, what was measured."""
        lines = cell.source.split("\n")
        body = lines[next((i for i, line in enumerate(lines) if not line.startswith("#")), 0) :]
        number = self.claims[claim.slug]
        head = (
            f'<p class="claim-text"><a class="claim-number" href="#{cell.id}" '
            f'aria-label="Link to claim {number}">✓{number}</a> {inline_html(claim.text)}</p>'
        )
        measured = (
            '<p class="measured"><span class="label">Measured</span> '
            f"{inline_html(claim.measured)}</p>"
        )
        return self.wrap("cell claim", cell.id, [head, _fence("\n".join(body)), measured])

    def code(self, cell: Cell, number: int) -> str:
        """A cell's code with a link to it, then its outputs; parameters are folded."""
        if cell.claim:
            return self.claim(cell, cell.claim)
        label = f"Link to cell {number}"
        parts = [
            f'<a class="cell-link" href="#{cell.id}" aria-label="{label}">{number}</a>',
            _fence(cell.source),
        ]
        if "parameters" in cell.tags:
            fold = '<details class="folded" markdown="1">\n<summary>Parameters</summary>\n\n'
            parts = [fold + "\n\n".join(parts[1:]) + "\n\n</details>"]
        parts += [shown for o in cell.outputs if (shown := self.output(cell, o))]
        return self.wrap("cell", cell.id, parts)

    @staticmethod
    def wrap(kind: str, identifier: str, parts: list[str]) -> str:
        inside = "\n\n".join(parts)
        return f'<div class="{kind}" id="{identifier}" markdown="1">\n\n{inside}\n\n</div>'

    def walk(self) -> Iterator[str]:
        count = 0
        for cell in self.evidence.cells:
            if cell.kind == "code":
                count += 1
                yield self.code(cell, count)
            elif cell.kind == "markdown":
                block = Block(shift_headings(cell.source), 0)
                woven = weave(block, Sources(self.evidence.path, literal=True))
                for fault in woven.faults or published_faults(
                    woven, block, self.evidence.path, headings=True
                ):
                    self.fault(cell, fault.what, fault.todo)
                yield woven.text


def embed(evidence: Evidence) -> Embedded:
    """An executed notebook → Markdown for its page, with the figures' files beside."""
    embedder = _Embedder(evidence)
    embedder.result.markdown = "\n\n".join(part for part in embedder.walk() if part.strip())
    return embedder.result
