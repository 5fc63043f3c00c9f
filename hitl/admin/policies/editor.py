"""The editor of policies: YAML that is checked, previewed and applied by operators. Nothing that is typed is lost."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from hitl.admin.policies.doubts import doubts
from hitl.admin.policies.words import compare, in_words
from hitl.admin.site import render
from hitl.definition import PolicyDocument
from hitl.exceptions import InvalidPolicy, StalePolicy
from hitl.models import Policy
from hitl.policies import apply_policy, written
from hitl.policies.acts import is_operator
from hitl.policies.written import Mistake

_FIRST = """\
name: refunds
description: Who says yes to money that goes back
rules:
  - name: large ones
    when: args.amount > 5000 || risk == "critical"
    level: verify
    stages:
      - {reviewers: ["group:finance"], approvals: 2}
default:
  stages:
    - reviewers: ["group:finance"]
      approvals: 1
      timeout: 4h
      remind: [1h, 3h]
  on_timeout: reject
"""


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new_view(request: HttpRequest) -> HttpResponse:
    """The first version of a policy."""
    return _view(request, None)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def edit_view(request: HttpRequest, name: str) -> HttpResponse:
    """The next version of a policy, beginning with the one that is active."""
    active = Policy.objects.filter(name=name, active=True).select_related("author").first()
    if active is None:
        raise Http404("there is no such policy")
    return _view(request, active)


def refused(request: HttpRequest) -> HttpResponse:
    """For those who may read policies, and not change them."""
    context = {"title": _("This is for operators")}
    return render(request, "hitl/review/policy_refused.html", context, section="policies", status=403)


def _view(request: HttpRequest, active: Policy | None) -> HttpResponse:
    if not is_operator(request.user):
        return refused(request)
    if request.method != "POST":
        typed = written.write(active.document) if active else _FIRST
        return _page(request, active, typed=typed, base=active.version if active else 0)
    typed, base = _typed(request), _base(request, active)
    try:
        value = _value(typed, active)
        if request.POST.get("act") == "apply":
            return _applied(request, value, base)
    except InvalidPolicy as error:
        return _page(request, active, typed=typed, base=base, mistakes=error.details["mistakes"], status=422)
    except StalePolicy:
        return _stale(request, value, typed, base)
    return _page(request, active, typed=typed, base=base, **_preview(value, active))


def _typed(request: HttpRequest) -> str:
    """What was typed; browsers send CRLF at each line's end."""
    return request.POST.get("text", "").replace("\r\n", "\n")


def _base(request: HttpRequest, active: Policy | None) -> int:
    """The version the text was written from; one that the form does not say is taken for none, so that it is asked."""
    given = request.POST.get("base", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0


def _value(typed: str, active: Policy | None) -> PolicyDocument:
    value = written.read(typed)
    if active is not None and value.name != active.name:
        words = _("this page is about %(name)s; another policy is a new one") % {"name": active.name}
        raise InvalidPolicy(words, mistakes=[Mistake(0, "name", words)])
    return value


def _applied(request: HttpRequest, value: PolicyDocument, base: int) -> HttpResponse:
    policy = apply_policy(value, actor=request.user, base=base)
    if policy.version == base:
        messages.success(request, _("Nothing was changed: version %(version)s says this.") % {"version": base})
    else:
        messages.success(request, _("Version %(version)s is active now.") % {"version": policy.version})
    return HttpResponseRedirect(reverse("review:policy", args=[policy.name]))


def _preview(value: PolicyDocument, active: Policy | None) -> dict[str, Any]:
    before = _lines(active.document) if active else []
    lines = compare(before, _lines(value.model_dump(mode="json", exclude_defaults=True)))
    return {"preview": True, "words": list(in_words(value)), "lines": lines, "doubts": doubts(value)}


def _stale(request: HttpRequest, value: PolicyDocument, typed: str, base: int) -> HttpResponse:
    """What somebody else changed meanwhile, and the text as it was typed; applied again, it is written from theirs."""
    theirs = Policy.objects.select_related("author").get(name=value.name, active=True)
    old = Policy.objects.filter(name=value.name, version=base).first()
    context = {
        "stale": theirs,
        "changed": compare(_lines(old.document) if old else [], _lines(theirs.document)),
        **_preview(value, theirs),
    }
    return _page(request, theirs, typed=typed, base=theirs.version, status=409, **context)


def _lines(document: Any) -> list[str]:
    return written.write(document).splitlines()


def _page(request: HttpRequest, active: Policy | None, *, status: int = 200, **context: Any) -> HttpResponse:
    title = _("Edit %(name)s") % {"name": active.name} if active else _("A new policy")
    return render(
        request,
        "hitl/review/policy_edit.html",
        {"title": title, "active": active, **context},
        section="policies",
        status=status,
    )
