"""The pictures to share: what they hold, what fits, and that nothing is drawn as a box."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from PIL import Image

from stages import cards
from stages.cards import HEIGHT, MARGIN, SANS, SERIF, SIZES, WIDTH, Card, draw, set_text, wrapped
from workbench import ROOT

LONG = "Why does a network of many layers learn less from the same data than a shallow one? " * 9
CARD = Card("A bank", "What is a mean?", "Averages · core", "11 claims checked")


def picture(card: Card, *, front: bool = False) -> Image.Image:
    content = draw(card, front=front)
    assert content is not None
    return Image.open(io.BytesIO(content)).convert("RGB")


def inked(image: Image.Image, box: tuple[int, int, int, int]) -> bool:
    """Whether something is drawn within left, top, right, bottom."""
    return any(colour != cards.PAPER for _, colour in image.crop(box).getcolors(100_000) or ())


def test_a_picture_has_the_size_that_readers_show_whole() -> None:
    content = draw(CARD)
    assert content is not None and len(content) < 25_000
    image = Image.open(io.BytesIO(content))
    assert (image.size, image.format, image.mode) == ((WIDTH, HEIGHT), "PNG", "P")


@pytest.mark.parametrize("text", ["Why?", CARD.text, LONG, "x" * 500, "W" * 30 + " " + LONG])
def test_nothing_runs_into_the_margin(text: str) -> None:
    image = picture(Card("A bank " * 20, text, "Averages " * 20, "11 claims checked"))
    for box in (
        (0, 140, MARGIN - 2, HEIGHT),  # the left edge of a W may stand out by a pixel
        (WIDTH - MARGIN + 4, 140, WIDTH, HEIGHT),
        (WIDTH - MARGIN + 4, 0, WIDTH, 110),
        (0, 140, WIDTH, cards.TOP),
        (0, HEIGHT - 45, WIDTH, HEIGHT),
    ):
        assert not inked(image, box), box
    assert inked(image, (MARGIN, cards.TOP, WIDTH - MARGIN, cards.BOTTOM))


def test_the_largest_size_that_fits_is_taken() -> None:
    assert wrapped("Why?") == (SIZES[0], ["Why?"])
    sizes = [wrapped(LONG[:length])[0] for length in (10, 80, 160, 240, len(LONG))]
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] == SIZES[-1]


@pytest.mark.parametrize("length", [40, 80, 120, 160, 240])
def test_lines_fit_and_are_even(length: int) -> None:
    text = LONG[:length].strip()
    size, lines = wrapped(text)
    assert " ".join(lines) == text
    assert len(lines) * size * cards.LEADING <= cards.BOTTOM - cards.TOP
    lengths = [cards._length(line, SERIF, size) for line in lines]
    assert max(lengths) <= WIDTH - 2 * MARGIN
    assert len(lines[-1].split()) > 1  # no word stands alone


def test_what_is_too_long_is_cut_at_a_word() -> None:
    _, lines = wrapped(LONG)
    assert lines[-1].endswith("…")
    assert LONG.startswith(" ".join(lines)[:-1] + " ")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("’ “ ” – — × − … é ö", "’ “ ” – — × − … é ö"),
        ("θ ≤ Σ → ∞", "𝜃 ≤ Σ → ∞"),
        ("x̂ ẅ ñ ç", "x̂ w n c"),
        ("σ² hₜ₋₁", "𝜎^2 h_t−1"),
        ("ﬁne ½", "fine 1⁄2"),
        ("a\u00a0b\n c", "a b c"),
        ("为什么", None),
        ("x 🙂", None),
    ],
)
def test_letters_that_no_face_has_are_replaced_or_refused(text: str, shown: str | None) -> None:
    assert set_text(text) == shown
    if shown is None:
        assert draw(Card("A bank", text)) is None
        assert draw(Card(text, "What?"), front=True) is None


def test_every_letter_is_drawn_by_a_face_that_has_it() -> None:
    text = set_text("Why θ – “×” ≤ é? 1 < 2 & R²") or ""
    for faces in (SERIF, SANS):
        for run, font in cards._runs(text, faces, 40):
            box = font.getmask("\U0010ffff")
            for char in run.replace(" ", ""):
                mask = font.getmask(char)
                assert mask.getbbox() is not None
                assert bytes(mask) != bytes(box) or mask.size != box.size


def test_a_missing_letter_is_noticed() -> None:
    assert not any(cards._has(face, "为") for face in SERIF)
    assert cards._has(SERIF[0], "é") and not cards._has(SERIF[1], "é")


def test_the_tick_stands_only_where_something_is_checked() -> None:
    foot = (WIDTH // 2, HEIGHT - 110, WIDTH - MARGIN, HEIGHT - 50)
    assert inked(picture(CARD), foot)
    assert not inked(picture(Card("A bank", "What is a mean?", "Averages · core")), foot)


def test_the_general_picture_tells_the_name_first() -> None:
    head = (MARGIN + 70, 0, WIDTH, 110)
    assert inked(picture(CARD), head)
    assert not inked(picture(CARD, front=True), head)
    assert inked(
        picture(Card("A bank", ""), front=True), (MARGIN, cards.TOP, WIDTH - MARGIN, cards.BOTTOM)
    )


def test_the_bytes_are_the_same_in_another_process() -> None:
    code = (
        "import hashlib, sys; sys.path.insert(0, 'scripts')\n"
        "from stages.cards import Card, draw\n"
        f"print(hashlib.sha256(draw({CARD!r})).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
