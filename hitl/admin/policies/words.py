"""Policies in sentences, as ladders of times, and line by line beside each other."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from hitl import clock
from hitl.definition import PolicyDocument, Stage
from hitl.definition.values import Business
from hitl.policies import when

SILENCE = {
    "reject": gettext_lazy("it is refused"),
    "approve": gettext_lazy("it is approved, where its risk is low and it can be undone"),
    "escalate": gettext_lazy("it goes further up"),
}
LEVELS = {
    "info": gettext_lazy("People are told; nobody is waited for."),
    "confirm": gettext_lazy("People are asked, and confirm with a click."),
    "verify": gettext_lazy("People are asked, and type a phrase to confirm."),
}
COMMENTS = {
    "never": gettext_lazy("No comment is needed."),
    "on_approve": gettext_lazy("Who approves says why."),
    "on_reject": gettext_lazy("Who refuses says why."),
    "always": gettext_lazy("Everybody who decides says why."),
}
_CONTEXT = 3


@dataclass(frozen=True, slots=True)
class Rung:
    """Something that happens at a stage: how long after it opened (empty: at once), when where that is known, and what
    in words."""

    after: str
    at: datetime | None
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a comparison: its sign, the sign in a word, and the text. Without a sign it is equal, and `…` stands
    for equal lines that were left out."""

    sign: str
    word: str
    text: str


def in_words(document: PolicyDocument) -> Iterator[str]:
    """A policy in sentences."""
    for number, rule in enumerate(document.rules, 1):
        name = f" ({rule.name})" if rule.name else ""
        said = "; ".join(_rule(rule))
        yield _("%(number)s. If %(when)s%(name)s: %(said)s.") % {
            "number": number,
            "when": rule.when,
            "name": name,
            "said": said,
        }
    yield _("Otherwise: %(said)s.") % {"said": _default(document)}
    if not document.prevent_self_review:
        yield _("Who asks may also decide.")
    for risk in document.step_up:
        yield _("At %(risk)s risk people give their password again.") % {"risk": risk}
    if document.comment != "on_reject":
        yield _("A comment is needed: %(when)s.") % {"when": document.comment.replace("_", " ")}


def in_one_sentence(document: PolicyDocument) -> str:
    """What a list says of a policy: its own description, or what holds where no rule does."""
    if document.description:
        return document.description
    many = len(document.rules)
    rules = ngettext("%(many)s rule. ", "%(many)s rules. ", many) % {"many": many} if many else ""
    said = _("Otherwise: %(said)s.") if many else _("Always: %(said)s.")
    return rules + said % {"said": _default(document)}


def _default(document: PolicyDocument) -> str:
    default = document.default
    level = _("; level %(level)s") % {"level": default.level} if default.level else ""
    silence = _("if nobody decides, %(silence)s") % {"silence": SILENCE[default.on_timeout]}
    return f"{_stages(default.stages)}{level}; {silence}"


def _rule(rule: Any) -> Iterator[str]:
    if rule.auto:
        yield _("it passes by itself, until %(day)s") % {"day": f"{rule.until:%Y-%m-%d}"}
    if rule.stages:
        yield _stages(rule.stages)
    if rule.level:
        yield _("level %(level)s") % {"level": rule.level}
    if rule.on_timeout:
        yield _("if nobody decides, %(silence)s") % {"silence": SILENCE[rule.on_timeout]}


def _stages(stages: tuple[Stage, ...]) -> str:
    return _(", then ").join(_stage(stage) for stage in stages)


def _stage(stage: Stage) -> str:
    words = [_needs(stage)]
    if stage.rejections > 1:
        words.append(_("%(many)s refusals end it") % {"many": stage.rejections})
    if stage.timeout:
        words.append(_("within %(span)s") % {"span": span(stage.timeout)})
    if stage.remind:
        words.append(_("reminded after %(spans)s") % {"spans": ", ".join(span(after) for after in stage.remind)})
    for rung in stage.escalate:
        said = _("after %(span)s also %(who)s") if rung.mode == "add" else _("after %(span)s only %(who)s")
        words.append(said % {"span": span(rung.after), "who": ", ".join(rung.to)})
    if stage.fallback:
        words.append(_("%(who)s where these are not enough") % {"who": ", ".join(stage.fallback)})
    return f"{words[0]} ({'; '.join(words[1:])})" if words[1:] else words[0]


def _needs(stage: Stage) -> str:
    if stage.by_requester:
        return _("who asks confirms it alone")
    many = stage.approvals or _("as many as the risk asks for")
    return _("%(many)s of %(who)s") % {"many": many, "who": ", ".join(stage.reviewers)}


def ladder(stage: Stage, on_timeout: str, *, alone: bool, opens: datetime | None = None) -> list[Rung]:
    """Who is asked and what comes by itself while nobody answers, in its order; with its times where it is known when
    the stage `opens`. `alone`: there is no other stage."""
    found = [(after, _("Those who are asked are reminded")) for after in stage.remind]
    for rung in stage.escalate:
        said = _("Also asked: %(who)s") if rung.mode == "add" else _("Asked in their place: %(who)s")
        found.append((rung.after, said % {"who": ", ".join(rung.to)}))
    found.sort(key=lambda pair: pair[0])
    if stage.timeout:
        end = _("If nobody has decided, %(silence)s") % {"silence": SILENCE[on_timeout]}
        found.append((stage.timeout, end))
    rungs = [Rung(span(after), opens and when(opens, after), words) for after, words in found]
    return [Rung("", opens, _asked(stage, alone=alone)), *rungs]


def _asked(stage: Stage, *, alone: bool) -> str:
    if stage.by_requester:
        return _("Who asks confirms it alone")
    said = _("Asked: %(who)s; %(many)s must agree")
    if stage.approvals is None and alone:
        said = _("Asked: %(who)s; %(many)s must agree, or 2 where the risk is critical")
    return said % {"who": ", ".join(stage.reviewers), "many": stage.need}


def span(seconds: float) -> str:
    """How long, in words."""
    if isinstance(seconds, Business):
        told = {"span": span(float(seconds)), "calendar": seconds.calendar}
        words = _("%(span)s of business hours (%(calendar)s)") if seconds.calendar else _("%(span)s of business hours")
        return words % told
    now = clock.now()
    if seconds < 60:
        return _("%(many)g seconds") % {"many": seconds}
    return timesince(now, now + timedelta(seconds=seconds))


def compare(before: Sequence[str], after: Sequence[str]) -> list[Row]:
    """Two texts line by line, with a few equal lines around what differs; empty where nothing does."""
    signs = {"+": ("+", _("added")), "-": ("−", _("removed")), " ": ("", "")}
    rows: list[Row] = []
    for line in list(difflib.unified_diff(before, after, lineterm="", n=_CONTEXT))[2:]:
        if line.startswith("@@"):
            rows += [Row("", "", "…")] if rows else []
        else:
            rows.append(Row(*signs[line[0]], line[1:]))
    return rows
