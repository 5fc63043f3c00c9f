"""Words that read like other words: a Cyrillic а among Latin letters, аррӏе beside Latin words, ｐａｙ, 𝗉𝖺𝗒.

Ordinary text of any language is left alone: only a word whose letters pass for Latin ones, where Latin ones are about,
is told of. A word of such letters that stands alone may be a word of its own language and is not; nor are look-alikes
within one script (l and I, rn and m), which only a typeface can tell apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"(?:[^\W_][\u0300-\u036f]*)+")
# Letters that pass for Latin ones, by the last words of their Unicode names.
_LIKE = {
    "CYRILLIC CAPITAL LETTER": "A:A VE:B ES:C IE:E EN:H BYELORUSSIAN-UKRAINIAN I:I JE:J KA:K EM:M O:O ER:P DZE:S TE:T "
    "WE:W HA:X STRAIGHT U:Y",
    "CYRILLIC SMALL LETTER": "A:a ES:c KOMI DE:d IE:e SHHA:h BYELORUSSIAN-UKRAINIAN I:i JE:j O:o ER:p QA:q DZE:s "
    "WE:w HA:x U:y STRAIGHT U:y IZHITSA:v PALOCHKA:l",
    "CYRILLIC LETTER": "PALOCHKA:l",
    "GREEK CAPITAL LETTER": "ALPHA:A BETA:B EPSILON:E ZETA:Z ETA:H IOTA:I KAPPA:K MU:M NU:N OMICRON:O RHO:P TAU:T "
    "UPSILON:Y CHI:X",
    "GREEK SMALL LETTER": "OMICRON:o NU:v RHO:p UPSILON:u IOTA:i",
    "ARMENIAN SMALL LETTER": "VO:n OH:o SEH:u HO:h CO:g ZA:q YI:j",
    "CHEROKEE LETTER": "GO:A YV:B TLI:C A:D GV:E HA:W I:T LU:M TLE:L SO:I NAH:G QUI:P SV:R V:O",
    "LATIN SMALL LETTER": "ALPHA:a SCRIPT G:g",
}
# Scripts whose words never mix; of Cyrillic and Greek a look-alike letter is needed too (SMSки, kΩ are ordinary).
_APART = {"LATIN", "IPA", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU", "DESERET", "GLAGOLITIC"}
_NEAR = {"CYRILLIC", "GREEK"}


def _table() -> dict[str, str]:
    found = {}
    for start, pairs in _LIKE.items():
        for name, latin in re.findall(r"([^:]+):(\w) ?", pairs):
            found[unicodedata.lookup(f"{start} {name}")] = latin
    return found


_TABLE = _table()


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A word of a text from `start` to `end`, what it reads like, and one of its letters that is not what it seems."""

    start: int
    end: int
    like: str
    letter: str


def lookalikes(text: str) -> Iterator[Lookalike]:
    """The words of a text that read like others, from its start to its end."""
    if text.isascii():
        return
    words = list(_WORD.finditer(text))
    eastern = any(unicodedata.east_asian_width(char) == "W" for char in text)
    for at, word in enumerate(words):
        around = [near[0] for near in (*words[max(at - 3, 0) : at], *words[at + 1 : at + 4])]
        if letter := "" if word[0].isascii() else _odd(word[0], around, eastern):
            yield Lookalike(*word.span(), "".join(_fold(char) for char in word[0]), letter)


def _odd(word: str, around: list[str], eastern: bool) -> str:
    """The first letter of the word that is not what it seems, or nothing."""
    styled = [char for char in word if _styled(char) and not (eastern and _wide(char))]
    if styled and len(word) > 1:
        return styled[0]
    scripts = _scripts(word)
    like = [char for char in word if char in _TABLE]
    if len(scripts & _APART) > 1 and (like or scripts & _APART - _NEAR - {"LATIN"}):
        return next(iter(like or [char for char in word if _script(char) in _APART - {"LATIN"}]))
    alone = len(scripts) == 1 and 1 < len(word) == len(like)
    near = [_scripts(other) for other in around if not all(char in _TABLE for char in other)]
    return like[0] if alone and {"LATIN"} in near and scripts not in near else ""


def _fold(char: str) -> str:
    return _TABLE.get(char) or _styled(char) or char


@lru_cache(4096)
def _script(char: str) -> str:
    if char in _TABLE and "LATIN" in unicodedata.name(char):
        return "IPA"
    return unicodedata.name(char, "").partition(" ")[0] if char.isalpha() and not _styled(char) else ""


def _scripts(word: str) -> set[str]:
    return {script for script in map(_script, word) if script}


@lru_cache(4096)
def _styled(char: str) -> str:
    """The ASCII letter or digit that a full-width, mathematical, Kelvin or other such sign stands for, or nothing."""
    tag, _, code = unicodedata.decomposition(char).rpartition(" ")
    plain = chr(int(code, 16)) if code and tag in ("", "<wide>", "<font>", "<compat>") else ""
    return plain if plain.isascii() and plain.isalnum() else ""


def _wide(char: str) -> bool:
    return unicodedata.east_asian_width(char) == "F"
