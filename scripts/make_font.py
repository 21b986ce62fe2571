"""Cut the mathematical font down to the characters that this site's maths can need.

A one-off tool: `python scripts/make_font.py STIXTwoMath-Regular.ttf` writes the subset that
docs/assets/fonts/README.md describes. The MATH table, with its size variants and assemblies of
brackets, roots and operators, stays; what browsers show badly in this version of the font is
mended. Needs fonttools and brotli (requirements-dev.txt).
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

FONT = Path(__file__).resolve().parent.parent / "docs/assets/fonts/stix-two-math-subset.woff2"

# Letters that Unicode had before its mathematical block: ℎ, and the holes in script and blackboard.
LETTERS_ELSEWHERE = "ℎℬℰℱℋℐℒℳℛℂℍℕℙℚℝℤℓℏ∇∂ıȷ"
# Greek capitals are upright, small letters italic: MathML turns a lone θ into the italic letter.
GREEK = "ΓΔΘΛΞΠΣΥΦΨΩ" + "".join(chr(c + 0x1D6FC - 0x3B1) for c in range(0x3B1, 0x3CA)) + "𝜕𝜖𝜗𝜘𝜙𝜚𝜛"
BOLD_GREEK = "𝚪𝚫𝚯𝚲𝚵𝚷𝚺𝚽𝚿𝛀" + "".join(chr(c + 0x1D736 - 0x3B1) for c in range(0x3B1, 0x3CA)) + "𝝏𝝐𝝑𝝓"
OPERATORS = (
    "¬±×÷·†•…‖′″‴←↑→↓↔↦⇐⇒⇔⟵⟶⟹⟺↗↘∀∃∄∅∈∉∋∏∑−∓∖∗∘∙√∝∞∣∤∥∧∨∩∪∫∬∮∴∼≃≅≈≔≜≝≠≡≤≥≪≫≲≳≺≻⪯⪰⊂⊃⊄⊆⊇⊊⊕⊖⊗⊘⊙⊢⊤⊥"
    "⋀⋁⋂⋃⋄⋅⋆⋮⋯⋱⌈⌉⌊⌋⟨⟩⨁⨂⩽⩾□△"
)
ACCENTS = "´¨¯ˆˇ˘˙˜̲̂̃̄⃗⏞⏟"
SPACES = " \u00a0\u2003\u2009\u200b\u2061\u2062\u2063\u2064"
SCRIPT_STYLES = "\ufe00\ufe01"

PRIMES = {0x2032, 0x2033, 0x2034}
ROOT_WIDTH = 880  # thousandths of an em; the lowest root sign has 794


def _span(first: int, last: int) -> str:
    return "".join(map(chr, range(first, last + 1)))


def characters() -> set[int]:
    """The code points that the subset keeps."""
    text = (
        _span(0x21, 0x7E)
        + LETTERS_ELSEWHERE
        + GREEK
        + BOLD_GREEK
        + OPERATORS
        + ACCENTS
        + SPACES
        + SCRIPT_STYLES
        + _span(0x1D400, 0x1D433)  # bold A–z
        + _span(0x1D434, 0x1D467)  # italic A–z
        + _span(0x1D49C, 0x1D4B5)  # script A–Z
        + _span(0x1D538, 0x1D550)  # blackboard A–Z
        + "\U0001d7d9"  # blackboard 1, the indicator
        + "\U0001d6a4\U0001d6a5"  # dotless i and j, under accents
        + _span(0x1D7CE, 0x1D7D7)  # bold digits
    )
    return set(map(ord, text))


def mend_connectors(font: TTFont) -> None:
    """Swap the connector lengths of end pieces where they are given the wrong way round.

    A long arrow's head claims to join on its tip; browsers then do not stretch the arrow at all.
    """
    variants = font["MATH"].table.MathVariants
    for construction in [*variants.HorizGlyphConstruction, *variants.VertGlyphConstruction]:
        parts = construction.GlyphAssembly.PartRecords if construction.GlyphAssembly else []
        for i, part in enumerate(parts):
            inner = part.EndConnectorLength if i == 0 else part.StartConnectorLength
            outer = part.StartConnectorLength if i == 0 else part.EndConnectorLength
            if i in (0, len(parts) - 1) and not inner and outer:
                part.StartConnectorLength, part.EndConnectorLength = (
                    part.EndConnectorLength,
                    part.StartConnectorLength,
                )


def narrow_roots(font: TTFont) -> None:
    """Make the taller root signs narrower.

    Chromium gives every root the width of the widest sign, which leaves a gap after low ones.
    """
    variants = font["MATH"].table.MathVariants
    place = variants.VertGlyphCoverage.glyphs.index(font.getBestCmap()[0x221A])
    root = variants.VertGlyphConstruction[place]
    pieces = [record.VariantGlyph for record in root.MathGlyphVariantRecord[1:]]
    pieces += [part.glyph for part in root.GlyphAssembly.PartRecords]
    for name in dict.fromkeys(pieces):
        advance, bearing = font["hmtx"][name]
        factor = ROOT_WIDTH / advance
        glyph = font["glyf"][name]
        glyph.coordinates.scale((factor, 1))
        glyph.coordinates.toInt()
        glyph.recalcBounds(font["glyf"])
        font["hmtx"][name] = (ROOT_WIDTH, round(bearing * factor))


def raise_primes(font: TTFont) -> None:
    """Give the prime characters the shapes made for superscripts.

    A formula has its primes in superscripts; the plain shapes, small and high already, come out
    tiny there, since Chromium does not choose the script-style alternates (`ssty`) by itself.
    """
    raised = {char: font.getBestCmap()[char] + ".ssty" for char in PRIMES}
    for table in font["cmap"].tables:
        table.cmap.update({char: raised[char] for char in PRIMES & set(table.cmap)})


def subset(font: TTFont) -> bytes:
    """Return `font`, mended and cut down to `characters()`, as the bytes of a woff2 file."""
    mend_connectors(font)
    narrow_roots(font)
    raise_primes(font)
    options = Options()
    options.flavor = "woff2"
    options.hinting = False
    options.layout_features = ["dtls"]
    options.name_IDs = [0, 1, 2, 4, 5, 6, 7, 13, 14]
    options.notdef_outline = True
    options.drop_tables += ["DSIG", "GPOS", "GDEF"]
    cutter = Subsetter(options)
    cutter.populate(unicodes=characters())
    cutter.subset(font)
    font["MATH"].table.MathGlyphInfo.MathKernInfo = None  # no browser reads it
    font.flavor = "woff2"
    font.recalcTimestamp = False
    out = io.BytesIO()
    font.save(out)
    return out.getvalue()


def main(path: str) -> None:
    """Write the subset of the font at `path` to `FONT`."""
    FONT.write_bytes(subset(TTFont(path, recalcTimestamp=False)))
    print(f"{FONT}: {FONT.stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
