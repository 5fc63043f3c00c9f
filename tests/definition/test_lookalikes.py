"""Words that read like other words are found; the languages of the world are left alone."""

from __future__ import annotations

import pytest

from hitl.definition.text import lookalikes


@pytest.mark.parametrize(
    ("text", "like", "letter"),
    [
        ("p\u0430ypal.com", "paypal", "\u0430"),  # one Cyrillic letter
        ("at \u0430\u0440\u0440\u04cf\u0435.com", "apple", "\u0430"),  # all of them, beside Latin words
        ("\u039fnline", "Online", "\u039f"),  # Greek
        ("g\u0585\u0585gle", "google", "\u0585"),  # Armenian
        ("\u13aapple", "Apple", "\u13aa"),  # Cherokee
        ("\u0261oogle", "google", "\u0261"),  # a Latin letter for phonetics
        ("\uff50\uff41\uff59 now", "pay", "\uff50"),  # full width
        ("\U0001d5c9\U0001d5ba\U0001d5d2 now", "pay", "\U0001d5c9"),  # mathematical
        ("\u217cogin", "login", "\u217c"),  # a Roman numeral
        ("\u212aey", "Key", "\u212a"),  # the Kelvin sign
        ("user_\u0430dmin", "admin", "\u0430"),  # parts of an identifier are words
        ("pa\u0301y\u0440al", "pa\u0301ypal", "\u0440"),  # an accent does not part a word
    ],
)
def test_a_word_that_reads_like_another_is_found(text: str, like: str, letter: str) -> None:
    assert [(odd.like, odd.letter) for odd in lookalikes(text)] == [(like, letter)]


@pytest.mark.parametrize(
    "text",
    [
        "Refund 250 to order A-17",
        "größe naïve Ærøskøbing łódź Iğdır",
        "Москва, сахар и соль: SMSки, IP-адрес, 5 кг",
        "Купить сор в Amazon",
        "хор",
        "Αθήνα και ασθενής",
        "Δx = 5 μm at 10 kΩ, TNFα and β-blocker",
        "Ελλάδα Online",
        "שלום ל-API של Google",
        "مرحبا بالعالم GitHub",
        "日本語のTシャツ、ＡＢＣと１２３",
        "한국어 K팝",
        "ภาษาไทย",
        "हिन्दी",
        "let 𝑥 be a unit vector, Ⅳ, m², H₂O, ½, ª º",
        "Հայաստան",
        "👩‍👩‍👧 ok",
        "Вася + Google = ура",
    ],
)
def test_ordinary_text_of_any_language_is_left_alone(text: str) -> None:
    assert list(lookalikes(text)) == []


def test_the_place_of_a_word_is_told() -> None:
    (odd,) = lookalikes("to p\u0430y.com")
    assert (odd.start, odd.end) == (3, 6)
