"""What a person should know before a policy holds: it may be meant, and often is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hitl import clock
from hitl.definition import PolicyDocument, Stage
from hitl.policies.simulate import Behind, behind

_SOON = timedelta(days=14)


def doubts(document: PolicyDocument) -> list[str]:
    """Each in a sentence: too few people, silence that means yes, rules that end soon."""
    return [*_of_people(document), *_of_rules(document), *_of_silence(document)]


def _of_people(document: PolicyDocument) -> Iterator[str]:
    places = list(_places(document))
    for (where, stage), found in zip(places, behind([stage for _where, stage in places]), strict=True):
        if stage.by_requester:
            continue
        for name, many in found.by_name.items():
            if not many:
                yield _("%(where)s: nobody active is behind %(name)s.") % {"where": where, "name": name}
        if not found.enough:
            yield _too_few(where, found)


def _too_few(where: str, found: Behind) -> str:
    many = found.together
    words = ngettext(
        "%(where)s: %(need)s must agree, and only %(many)s active person is asked.",
        "%(where)s: %(need)s must agree, and only %(many)s active people are asked.",
        many,
    )
    return words % {"where": where, "need": found.stage.need, "many": many}


def _places(document: PolicyDocument) -> Iterator[tuple[str, Stage]]:
    parts = [(label(document, number), rule.stages) for number, rule in enumerate(document.rules, 1)]
    for where, stages in [*parts, (_("Otherwise"), document.default.stages)]:
        for number, stage in enumerate(stages, 1):
            several = _("%(where)s, stage %(number)s") % {"where": where, "number": number}
            yield several if len(stages) > 1 else where, stage


def label(document: PolicyDocument, number: int) -> str:
    """How people are told of a rule."""
    name = document.rules[number - 1].name
    told = _("Rule %(number)s") % {"number": number}
    return f"{told} ({name})" if name else told


def _of_rules(document: PolicyDocument) -> Iterator[str]:
    today = clock.now().date()
    for number, rule in enumerate(document.rules, 1):
        if rule.until is None or rule.until > today + _SOON:
            continue
        over = _("%(where)s lets nothing pass any more: it ended on %(day)s.")
        soon = _("%(where)s ends soon, after %(day)s; people are asked then.")
        said = over if rule.until < today else soon
        yield said % {"where": label(document, number), "day": rule.until.isoformat()}


def _of_silence(document: PolicyDocument) -> Iterator[str]:
    parts: list[tuple[str, str]] = [(_("Otherwise"), document.default.on_timeout)]
    parts += [(label(document, number), rule.on_timeout or "") for number, rule in enumerate(document.rules, 1)]
    for where, meant in parts:
        if meant == "approve":
            yield _("%(where)s: silence means yes, where the risk is low and it can be undone.") % {"where": where}
    if not document.prevent_self_review and not document.default.stages[0].by_requester:
        yield _("Who asks may approve it themselves: prevent_self_review is off.")
