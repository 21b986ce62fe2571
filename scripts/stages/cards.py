"""Pictures to share, drawn at build time: a question on the site's paper, under its ruler.

The bytes are the same for the same text and the same version of Pillow: text is set by Pillow's
basic layout, since the better one hangs on a library that not every machine has.
"""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the import takes a while, and `serve` draws nothing
    from PIL import ImageFont

WIDTH, HEIGHT = 1200, 630  # pixels; what Open Graph's readers show whole
MARGIN = 80
SIZES = range(80, 35, -4)  # of the question's letters: the largest that fits is taken
TOP, BOTTOM = 166, 494  # between them stands the question
LEADING = 1.22  # of a line, in sizes

PAPER = (253, 253, 251)
# The site's colours (docs/assets/site.css), each painted with its own mask.
COLOURS = {
    "line": (211, 220, 218),
    "ink": (23, 49, 62),
    "soft": (84, 104, 114),
    "link": (11, 106, 112),
    "proved": (20, 108, 67),
}
SHADES = 7  # steps from the paper to a colour, at the edges of letters

FONTS = Path(__file__).resolve().parents[2] / "docs" / "assets" / "fonts"
# Where a face lacks a letter, the next one draws it; "" is Pillow's own Aileron.
SERIF = ("stix-two-text-600-subset.woff2", "stix-two-math-subset.woff2", "")
SANS = ("", *SERIF[:2])
# docs/assets/favicon.svg as two polygons in its grid of 24: a tick over a ruler.
_MARK = (
    ((10.3, 12.6), (5.1, 7.4), (6.7, 5.8), (10.3, 9.4), (18.6, 1), (20.2, 2.6)),
    (
        *((1, 22), (1, 14.5), (2.6, 14.5), (2.6, 20), (6, 20), (6, 17), (7.6, 17), (7.6, 20)),
        *((11.1, 20), (11.1, 14.5), (12.8, 14.5), (12.8, 20), (16.3, 20), (16.3, 17), (17.9, 17)),
        *((17.9, 20), (21.4, 20), (21.4, 14.5), (23, 14.5), (23, 22)),
    ),
)
_FINE = 4  # polygons are drawn larger by this, and made smaller: their edges are smooth then


@dataclass(frozen=True)
class Card:
    """What a picture says.

    Attributes:
        site: the site's name.
        text: the question; on the general picture, the subtitle.
        facts: at the foot, what else there is to know.
        checked: how much of it is checked; '' draws no tick.
    """

    site: str
    text: str
    facts: str = ""
    checked: str = ""


# ── letters ────────────────────────────────────────────────────────────────────────────────────


@cache
def _font(face: str, size: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    basic = ImageFont.Layout.BASIC
    if face:
        return ImageFont.truetype(FONTS / face, size, layout_engine=basic)
    own = ImageFont.load_default(size)
    if not isinstance(own, ImageFont.FreeTypeFont):
        raise OSError("Pillow was built without FreeType; install the wheel of requirements.txt")
    return own.font_variant(layout_engine=basic)


@cache
def _has(face: str, char: str) -> bool:
    """Whether a face has a letter: what it lacks, it draws as it draws no letter at all."""
    shape, none = (_font(face, 40).getmask(text) for text in (char, "\U0010ffff"))
    return shape.size != none.size or bytes(shape) != bytes(none)


@cache
def _drawn(char: str) -> str | None:
    """A letter as one of our faces has it, or None.

    Small Greek letters are in the maths face, as italics; an accent that no face has is dropped.
    """
    ways = [char]
    if "α" <= char <= "ω":
        ways.append(chr(ord(char) - ord("α") + 0x1D6FC))
    ways.append(unicodedata.normalize("NFKC", char))
    apart = unicodedata.normalize("NFKD", char)
    if all(map(unicodedata.combining, apart[1:])):
        ways.append(apart[0])
    for faces in (SERIF[:2], SERIF):
        for way in ways:
            if all(any(_has(face, part) for face in faces) for part in way if part != " "):
                return way
    return None


def _form(char: str) -> str:
    return unicodedata.decomposition(char).partition(" ")[0]


def set_text(text: str) -> str | None:
    """A text in letters that can be drawn, or None if one of them can't."""
    for mark, form in (("^", "<super>"), ("_", "<sub>")):  # x² is not x2
        raised = "".join(filter(lambda char: _form(char) == form, set(text)))
        if raised:
            text = re.sub(f"([{raised}]+)", rf"{mark}\1", text)
    letters = [_drawn(char) for char in " ".join(text.split())]
    return None if None in letters else "".join(filter(None, letters))


def _runs(
    text: str, faces: Sequence[str], size: int
) -> Iterator[tuple[str, ImageFont.FreeTypeFont]]:
    run, face = "", faces[0]
    for char in text:
        new = face if char == " " else next((f for f in faces if _has(f, char)), face)
        if new != face and run:
            yield run, _font(face, size)
            run = ""
        run, face = run + char, new
    yield run, _font(face, size)


@cache
def _word(word: str, faces: Sequence[str], size: int) -> float:
    return sum(font.getlength(run) for run, font in _runs(word, faces, size))


def _length(text: str, faces: Sequence[str], size: int) -> float:
    """Pixels; by words, which come again and again while lines are tried."""
    words = text.split(" ")
    spaces = (len(words) - 1) * _word(" ", faces, size)
    return sum(_word(word, faces, size) for word in words) + spaces


# ── lines ──────────────────────────────────────────────────────────────────────────────────────


def _broken(words: Sequence[str], width: float, size: int) -> list[str] | None:
    """Words in lines of at most `width`; None if one word is longer."""
    lines = [""]
    for word in words:
        longer = f"{lines[-1]} {word}".strip()
        if _length(longer, SERIF, size) <= width:
            lines[-1] = longer
        elif _length(word, SERIF, size) <= width:
            lines.append(word)
        else:
            return None
    return lines


def wrapped(text: str, sizes: Sequence[int] = SIZES) -> tuple[int, list[str]]:
    """A text in even lines at the largest size at which it fits; what is too long is cut."""
    width = WIDTH - 2 * MARGIN
    words = text.split()
    for size in sizes:
        lines = _broken(words, width, size)
        if lines and len(lines) * size * LEADING <= BOTTOM - TOP:
            # As narrow as the same number of lines allows: no word stands alone at the end.
            for narrower in range(width, width // 2, -20):
                even = _broken(words, narrower, size)
                if even is None or len(even) > len(lines):
                    break
                lines = even
            return size, lines
    shorter = text[: len(text) * 9 // 10]
    return wrapped((shorter.rpartition(" ")[0] or shorter).rstrip(" ,;:…") + "…", sizes)


def _cut(text: str, width: float, faces: Sequence[str], size: int) -> str:
    """A text that must stand on one line."""
    while _length(text, faces, size) > width:
        text = text.rstrip("…")[:-1].rstrip() + "…"
    return text


# ── drawing ────────────────────────────────────────────────────────────────────────────────────


Polygon = Sequence[tuple[float, float]]


class _Sheet:
    """A sheet of paper: text and shapes go onto the mask of their colour."""

    def __init__(self) -> None:
        from PIL import Image

        self.masks = {name: Image.new("L", (WIDTH, HEIGHT)) for name in COLOURS}

    def write(
        self, x: float, y: float, text: str, colour: str, faces: Sequence[str], size: int
    ) -> None:
        """Write a line, its left end and its baseline at (x, y)."""
        from PIL import ImageDraw

        pen = ImageDraw.Draw(self.masks[colour])
        for run, font in _runs(text, faces, size):
            pen.text((x, y), run, fill=255, font=font, anchor="ls")
            x += font.getlength(run)

    def fill(
        self,
        polygons: Sequence[Sequence[tuple[float, float]]],
        x: int,
        y: int,
        size: int,
        colour: str,
    ) -> None:
        """Fill polygons of a grid of 24, their top left corner at (x, y)."""
        from PIL import Image, ImageDraw

        fine = Image.new("L", (size * _FINE, size * _FINE))
        for polygon in polygons:
            points = [(px * size * _FINE / 24, py * size * _FINE / 24) for px, py in polygon]
            ImageDraw.Draw(fine).polygon(points, fill=255)
        small = fine.resize((size, size), Image.Resampling.BOX)
        self.masks[colour].paste(small, (x, y))

    def rule(self, y: int) -> None:
        """Draw a ruler's ticks from edge to edge, down to `y`."""
        from PIL import ImageDraw

        pen = ImageDraw.Draw(self.masks["line"])
        for x in range(0, WIDTH, 16):
            pen.rectangle((x, y - (14 if x % 80 == 0 else 7), x + 1, y), fill=255)
        pen.rectangle((0, y, WIDTH, y + 1), fill=255)

    def png(self) -> bytes:
        """The sheet as a PNG with a palette of the paper and the shades of each colour."""
        from PIL import Image

        sheet = Image.new("P", (WIDTH, HEIGHT))
        palette = list(PAPER)
        steps = [round(value * SHADES / 255) for value in range(256)]
        for number, (name, mask) in enumerate(self.masks.items()):
            first = number * SHADES
            box = mask.getbbox()
            for shade in range(1, SHADES + 1):
                pairs = zip(PAPER, COLOURS[name], strict=True)
                palette += [round(p + (c - p) * shade / SHADES) for p, c in pairs]
            if box:
                inked = mask.crop(box)
                shades = inked.point([step and first + step for step in steps])
                sheet.paste(shades, box, inked.point([255 * (step > 0) for step in steps]))
        sheet.putpalette(palette)
        file = io.BytesIO()
        # Level 9, which "optimize" takes, is 5 % smaller and six times slower.
        sheet.save(file, "PNG", compress_level=7)
        return file.getvalue()


def draw(card: Card, *, front: bool = False) -> bytes | None:
    """A card as a PNG of 1200 × 630 pixels; None if a letter in it cannot be drawn.

    Args:
        front: whether it stands for the whole site: then its name is what is read first.
    """
    parts = [set_text(part) for part in (card.site, card.text, card.facts, card.checked)]
    if None in parts:
        return None
    site, text, facts, checked = (part or "" for part in parts)
    sheet = _Sheet()
    sheet.fill(_MARK, MARGIN, 50, 52, "link")
    if not front:
        name = _cut(site, WIDTH - 2 * MARGIN - 76, SERIF, 36)
        sheet.write(MARGIN + 76, 92, name, "ink", SERIF, 36)
    sheet.rule(130)
    size, lines = wrapped(site if front else text)
    below = wrapped(text, range(40, 27, -2)) if front and text else (0, [])
    height = len(lines) * size * LEADING + len(below[1]) * below[0] * LEADING
    y = TOP + (BOTTOM - TOP - height) / 2
    for line in lines:
        y += size * LEADING
        sheet.write(MARGIN, round(y - 0.3 * size), line, "ink", SERIF, size)
    for line in below[1]:
        y += below[0] * LEADING
        sheet.write(MARGIN, round(y), line, "soft", SANS, below[0])
    foot, end = HEIGHT - 62, WIDTH - MARGIN
    if checked:
        end -= round(_length(checked, SERIF, 34))
        sheet.write(end, foot, checked, "proved", SERIF, 34)
        end -= 58
        sheet.fill(_MARK[:1], end, foot - 30, 56, "proved")
    sheet.write(MARGIN, foot, _cut(facts, end - MARGIN, SANS, 30), "soft", SANS, 30)
    return sheet.png()
