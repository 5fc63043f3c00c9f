"""The pages of policies that everybody may read: all of them, one, and two versions beside each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Max, OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from hitl.admin.policies import editor, trial
from hitl.admin.policies.doubts import label
from hitl.admin.policies.words import compare, in_one_sentence, in_words, ladder
from hitl.admin.site import render
from hitl.decisions.inbox import visible
from hitl.definition import PolicyDocument, text
from hitl.exceptions import InvalidPolicy
from hitl.models import Approval, Policy, Workflow
from hitl.policies import written

_PAGE = 50
_VERSIONS = 50
_LOOKED_AT = 1000
_MOST_USES = 100


@never_cache
@require_safe
def list_view(request: HttpRequest) -> HttpResponse:
    """The active version of each, by name; found by a part of the name or description."""
    sought = text.clean(request.GET.get("q", ""), 100).strip()
    rows = Policy.objects.filter(active=True).select_related("author").order_by("name")
    if sought:
        rows = rows.filter(name__icontains=sought) | rows.filter(document__description__icontains=sought)
    page = Paginator(rows, _PAGE).get_page(request.GET.get("page"))
    shown = [{"row": row, "said": _sentence(row)} for row in page]
    context = {"title": _("Policies"), "page": page, "shown": shown, "sought": sought}
    return render(request, "hitl/review/policies.html", context, section="policies")


@never_cache
@require_safe
def policy_view(request: HttpRequest, name: str) -> HttpResponse:
    """One policy: what holds, who is asked and when, where it is used, and its versions. An older version is shown
    where `version` names it."""
    rows = Policy.objects.filter(name=name).select_related("author")
    versions = list(rows.order_by("-version")[:_VERSIONS])
    wanted = request.GET.get("version", "")
    policy = rows.filter(version=_number(wanted)).first() if wanted else next((v for v in versions if v.active), None)
    if policy is None:
        raise Http404("there is no such policy")
    context: dict[str, Any] = {
        "title": policy.name,
        "policy": policy,
        "versions": versions,
        "most": _VERSIONS,
        "yaml": written.write(policy.document),
        "uses": _uses(name),
        "open": _open(name, request.user),
        "looked_at": _LOOKED_AT,
        **_read(policy),
    }
    return render(request, "hitl/review/policy.html", context, section="policies")


@never_cache
@require_safe
def diff_view(request: HttpRequest, name: str) -> HttpResponse:
    """Two versions line by line, as YAML and in words; without numbers the newest and the one before."""
    newest = Policy.objects.filter(name=name).aggregate(Max("version"))["version__max"]
    if newest is None:
        raise Http404("there is no such policy")
    given = [_number(request.GET.get(key, "")) for key in ("from", "to")]
    wanted = [given[0] or max(1, newest - 1), given[1] or newest]
    found = {row.version: row for row in Policy.objects.filter(name=name, version__in=wanted).select_related("author")}
    if not {*wanted} <= found.keys():
        raise Http404("there is no such version")
    before, after = (found[number] for number in wanted)
    context = {
        "title": _("%(name)s: what changed") % {"name": name},
        "name": name,
        "before": before,
        "after": after,
        "versions_shown": (before, after),
        "versions": Policy.objects.filter(name=name).order_by("-version")[:_VERSIONS],
        "lines": compare(written.write(before.document).splitlines(), written.write(after.document).splitlines()),
        "words": compare(_words(before), _words(after)),
    }
    return render(request, "hitl/review/policy_diff.html", context, section="policies")


def _number(word: str) -> int:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else 0


def _sentence(policy: Policy) -> str:
    try:
        return in_one_sentence(policy.value)
    except InvalidPolicy:
        return _("This version cannot be read any more: apply one that can be.")


def _words(policy: Policy) -> list[str]:
    try:
        return list(in_words(policy.value))
    except InvalidPolicy:
        return [_sentence(policy)]


def _read(policy: Policy) -> dict[str, Any]:
    """What the document says, or what is wrong with it where it was written for another version of hitl."""
    try:
        document = policy.value
    except InvalidPolicy as error:
        return {"unread": error.message}
    return {"document": document, "words": list(in_words(document)), "ladders": list(_ladders(document))}


def _ladders(document: PolicyDocument) -> Iterator[dict[str, Any]]:
    """Every way people may be asked: by each rule with stages of its own, and otherwise."""
    usual = document.default.on_timeout
    parts = [
        (label(document, number), rule.when, rule.stages, rule.on_timeout or usual)
        for number, rule in enumerate(document.rules, 1)
        if rule.stages
    ]
    for name, when, stages, silence in [*parts, (_("Otherwise"), "", document.default.stages, usual)]:
        yield {
            "name": name,
            "when": when,
            "stages": [{"stage": stage, "rungs": ladder(stage, silence, alone=len(stages) == 1)} for stage in stages],
        }


def _uses(name: str) -> list[dict[str, str]]:
    """The gates of the newest definitions that ask by it."""
    newest = Workflow.objects.filter(name=OuterRef("name")).order_by("-version").values("version")[:1]
    rows = Workflow.objects.filter(retired_at=None, version=Subquery(newest), body__contains=f'"policy":"{name}"')
    return [
        {"workflow": row.name, "title": row.title, "gate": spec.name}
        for row in rows.order_by("name")[:_MOST_USES]
        for spec in row.definition.steps
        if spec.asks is not None and spec.asks.policy == name
    ]


def _open(name: str, user: Any) -> list[tuple[str, int]]:
    """How many requests wait under each version, of those due next that this person may see."""
    due = Approval.objects.pending().order_by("expires_at").values("pk")[:_LOOKED_AT]
    under = visible(user).filter(pk__in=due, requirement__policy__startswith=f"{name} v")
    return sorted(Counter(under.values_list("requirement__policy", flat=True)).items())


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [
        path("policies/", wrap(list_view), name="policies"),
        path("policies/new/", wrap(editor.new_view), name="policy_new"),
        path("policies/simulate/", wrap(trial.simulate_view), name="policy_simulate"),
        path("policies/<slug:name>/", wrap(policy_view), name="policy"),
        path("policies/<slug:name>/diff/", wrap(diff_view), name="policy_diff"),
        path("policies/<slug:name>/edit/", wrap(editor.edit_view), name="policy_edit"),
    ]
