"""Filters for text that agents and people wrote."""

from __future__ import annotations

import html
import json
import unicodedata
from itertools import count
from typing import Any

from django import template
from django.template.defaultfilters import linebreaksbr
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext

from hitl.audit import Actor
from hitl.definition import text
from hitl.templatetags.markdown import rendered

register = template.Library()
_RUN, _EXPLAINED = 8, 50  # hidden characters in a row that have a chip each; chips of a text that say more than a code


@register.filter
def reveal(value: Any) -> str:
    """Show what cannot be seen as chips, and say of a word what it reads like. For the body of a page only: where there
    are no tags (attributes, options, window titles, mails) `visible` and `line` do it in plain text."""
    told = html.unescape(value + "") if hasattr(value, "__html__") else str(value)  # `join` has escaped its parts
    return format_html("<bdi>{}</bdi>", _shown(told)) if _turns(told) else _shown(told)


@register.filter
def visible(value: Any) -> str:
    """Show what cannot be seen, in plain text."""
    return text.reveal(str(value))


@register.filter
def agent_text(value: Any) -> str:
    """An agent's Markdown, all of it to be seen and nothing of it to be clicked or loaded; text that is too long or too
    deep for that as it is."""
    found = rendered(str(value), _shown)
    return found if found is not None else format_html('<p dir="auto">{}</p>', linebreaksbr(_shown(str(value))))


@register.filter
def plain(value: Any) -> str:
    """A JSON value as people read it: text as it is, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


@register.filter
def who(user: Any) -> str:
    """A person's name, or else their login, with what cannot be seen."""
    return reveal(Actor.of(user).name) if user is not None else ""


@register.filter
def hidden_count(value: Any) -> int:
    """How many characters cannot be seen."""
    return text.hidden_count(plain(value))


@register.filter
def line(value: Any, limit: int = 200) -> str:
    """Text in one line, cut where it is long: for lists and window titles, never where it is decided upon."""
    return text.one_line(str(value), limit)


@register.filter
def quoted(value: Any, mark: str = "> ") -> str:
    """Text of somebody else in a plain mail: each line after the first is marked, so that none can pass for ours."""
    return f"\n{mark}".join(text.reveal(str(value)).splitlines())


@register.filter
def last_part(value: str) -> str:
    """The name a plan gave to its step, without the planner's before it."""
    return value.rpartition("/")[2]


@register.simple_tag
def operate(page: str, *args: Any) -> str:
    """The address of a page under `/admin/`; the url tag would stay inside the site that the reader is on."""
    return reverse(f"admin:{page}", args=args)


def _shown(told: str) -> str:
    """The text escaped, with a chip for what cannot be seen and a mark on words that read like others."""
    parts, at, number = [], 0, count()
    for odd in text.lookalikes(told):
        parts += [_pieces(told[at : odd.start], number), _marked(odd, told[odd.start : odd.end], number)]
        at = odd.end
    return format_html_join("", "{}", ((part,) for part in (*parts, _pieces(told[at:], number))))


def _pieces(told: str, number: count[int]) -> str:
    runs = text.pieces(told)
    return format_html_join("", "{}", ((_chips(run, number) if hidden else run,) for run, hidden in runs))


def _chips(run: str, number: count[int]) -> str:
    if len(run) > _RUN:
        words = gettext("%(count)d hidden characters, U+%(first)04X to U+%(last)04X")
        ends = {"count": len(run), "first": ord(run[0]), "last": ord(run[-1])}
        return format_html('<span class="cp">{}</span>', words % ends)
    return format_html_join("", "{}", ((_chip(char, number),) for char in run))


def _chip(char: str, number: count[int]) -> str:
    if next(number) >= _EXPLAINED:
        return format_html('<span class="cp">U+{}</span>', f"{ord(char):04X}")
    name = unicodedata.name(char, "") or gettext("a character without a name")
    return format_html('<span class="cp" title="{}">U+{}</span>', name, f"{ord(char):04X}")


def _marked(odd: text.Lookalike, word: str, number: count[int]) -> str:
    if next(number) >= _EXPLAINED:
        return format_html('<span class="mixed">{}</span>', word)
    said = gettext("looks like: %(like)s · has %(script)s %(letter)s")
    script = unicodedata.name(odd.letter).partition(" ")[0].capitalize()
    words = said % {"like": odd.like, "script": script, "letter": odd.letter}
    name = unicodedata.name(odd.letter)
    return format_html('<span class="mixed">{} <span class="cp" title="{}">{}</span></span>', word, name, words)


def _turns(told: str) -> bool:
    """Whether it has letters that run from right to left, and so could move the words beside it."""
    return not told.isascii() and any(unicodedata.bidirectional(char) in ("R", "AL") for char in told)
