"""The simulator: who would be asked for an action that nobody has proposed, and why. It writes nothing."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from hitl import clock, decisions
from hitl.admin.fields.inputs import JSONText, Whole
from hitl.admin.policies import editor
from hitl.admin.policies.words import COMMENTS, LEVELS, SILENCE, ladder
from hitl.admin.site import render
from hitl.definition import PolicyDocument, Requirement, parse
from hitl.definition.values import RISKS
from hitl.exceptions import InvalidPolicy, UnknownApproval
from hitl.models import ApiKey, Approval, Policy, people
from hitl.policies import written
from hitl.policies.acts import is_operator
from hitl.policies.simulate import SAID, Behind, behind, facts_of, simulate

_MOST = 500
_NAMES = 20
_LONGEST = 100_000
_ID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")  # also out of an address
_MORE = ("confidence", "requester", "agent", "workflow", "step", "iteration")
_INITIAL = {"args": "{}"}
_RISKS = {
    "low": gettext_lazy("low"),
    "medium": gettext_lazy("medium"),
    "high": gettext_lazy("high"),
    "critical": gettext_lazy("critical"),
}


class FactsForm(forms.Form):
    """The policy, and what its conditions may look at."""

    policy = forms.ChoiceField(label=gettext_lazy("Policy"))
    type = forms.CharField(label=gettext_lazy("Type of the action"), required=False, max_length=200)
    target = forms.CharField(label=gettext_lazy("Target"), required=False, max_length=1000)
    args = JSONText(label=gettext_lazy("Arguments, as JSON"), required=False, blank=True, max_length=_LONGEST)
    risk = forms.ChoiceField(label=gettext_lazy("Risk"), choices=[(r, _RISKS[r]) for r in RISKS], initial="medium")
    reversible = forms.BooleanField(label=gettext_lazy("It can be undone"), required=False)
    confidence = forms.FloatField(
        label=gettext_lazy("Confidence"), required=False, widget=forms.TextInput(attrs={"inputmode": "decimal"})
    )
    requester = forms.CharField(label=gettext_lazy("Who asks (name they sign in with)"), required=False, max_length=254)
    agent = forms.CharField(label=gettext_lazy("Agent"), required=False, max_length=100)
    workflow = forms.CharField(label=gettext_lazy("Workflow"), required=False, max_length=100)
    step = forms.CharField(label=gettext_lazy("Step"), required=False, max_length=200)
    iteration = Whole(label=gettext_lazy("Iteration"), required=False, min_value=0, max_value=2**31)

    def __init__(self, data: Any = None, *, stored: bool = True, **options: Any) -> None:
        super().__init__(data, auto_id="facts-%s", **options)
        if not stored:
            del self.fields["policy"]
        else:
            names = Policy.objects.filter(active=True).order_by("name").values_list("name", flat=True)[:_MOST]
            self.fields["policy"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]
        for name, field in self.fields.items():
            field.widget.attrs |= {"autocomplete": "off", "aria-describedby": f"error-{name}"}

    def clean_args(self) -> Any:
        """An object; nothing typed is an empty one."""
        args = self.cleaned_data["args"]
        if args is not None and not isinstance(args, dict):
            raise forms.ValidationError(_("Arguments are a JSON object: {…}"))
        return args or {}

    @property
    def parts(self) -> list[tuple[bool, list[Any]]]:
        """The fields in two groups, each with whether it is open: what is always asked, and what else may be said."""
        more = [self[name] for name in _MORE]
        return [(True, [field for field in self if field.name not in _MORE]), (self._used(more), more)]

    def _used(self, fields: list[Any]) -> bool:
        return any(field.errors or field.value() not in (None, "") for field in fields)

    @property
    def facts(self) -> dict[str, Any]:
        """What was said, for the conditions."""
        known = {name: value for name, value in self.cleaned_data.items() if name != "policy" and value is not None}
        return facts_of(**known)


@dataclass(frozen=True, slots=True)
class Side:
    """The side of who asks: the user where it is known, and all who may not decide for it."""

    requester: Any
    without: tuple[Any, ...]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def simulate_view(request: HttpRequest) -> HttpResponse:
    """A stored policy by GET, so that the answer has an address; operators try what is in their editor by POST."""
    if request.method == "POST":
        return _written(request) if is_operator(request.user) else editor.refused(request)
    data, source = request.GET.dict(), None
    if "request" in data:
        named = _ID.search(data["request"].lower())
        try:
            source = decisions.find_visible(named[0] if named else "", request.user)
        except UnknownApproval:
            return _page(request, FactsForm(initial=_INITIAL), missing=data["request"], status=404)
        data.update(_facts_of(source))
    asked = source is not None or "risk" in data
    form = FactsForm(data) if asked else FactsForm(initial={**_INITIAL, "policy": data.get("policy", "")})
    if not asked or not form.is_valid():
        return _page(request, form, source=source, status=422 if asked else 200)
    policy = Policy.objects.filter(name=form.cleaned_data["policy"], active=True).first()
    if policy is None:
        raise Http404("there is no such policy")
    try:
        document = policy.value
    except InvalidPolicy as error:
        return _page(request, form, impossible=error.message, source=source)
    return _answer(request, form, document, version=policy.version, source=source)


def _written(request: HttpRequest) -> HttpResponse:
    typed = request.POST.get("text", "").replace("\r\n", "\n")
    asked = "risk" in request.POST
    form = FactsForm(request.POST if asked else None, stored=False, initial=_INITIAL)
    try:
        document = written.read(typed)
    except InvalidPolicy as error:
        return _page(request, form, typed=typed, mistakes=error.details["mistakes"], status=422)
    if not asked or not form.is_valid():
        return _page(request, form, typed=typed, status=422 if asked else 200)
    return _answer(request, form, document, typed=typed)


def _facts_of(row: Approval) -> dict[str, str]:
    """The facts of a request as the form has them: what would run, or ran."""
    said = parse(row.current_bytes)
    run, key = row.run, row.agent_key
    return {
        "policy": row.required.policy.rpartition(" v")[0],
        "type": said["type"],
        "target": said["target"],
        "args": json.dumps(said["args"], ensure_ascii=False, indent=2),
        "risk": row.risk,
        "reversible": "on" if said["reversible"] else "",
        "requester": run.requester.get_username() if run.requester is not None else "",
        "agent": key.agent if key is not None else "",
        "workflow": run.workflow.name,
        "step": row.step.name,
        "iteration": str(row.step.iteration),
    }


def _answer(
    request: HttpRequest, form: FactsForm, document: PolicyDocument, *, version: int = 0, **shown: Any
) -> HttpResponse:
    facts = form.facts
    try:
        found = simulate(document, facts, version=version)
    except InvalidPolicy as error:
        return _page(request, form, impossible=error.message, **shown)
    side = _side(request.user, facts)
    requirement = found.requirement
    context: dict[str, Any] = {
        "found": found,
        "document": document,
        "version": version,
        "rules": [{"rule": rule, "said": SAID[rule.said]} for rule in found.rules],
        "level": LEVELS[requirement.level or "confirm"],
        "silence": SILENCE[requirement.on_timeout],
        "comment": COMMENTS[requirement.comment],
        "stages": [] if requirement.auto else _stages(requirement, side, request.user),
        "left_out": len(side.without) if requirement.prevent_self_review else 0,
    }
    return _page(request, form, **context, **shown)


def _stages(requirement: Requirement, side: Side, reader: Any) -> list[dict[str, Any]]:
    """Each stage with who stands behind it, and its ladder: the first opens now, the others when it is agreed. Names
    are for operators."""
    now = clock.now()
    without = side.without if requirement.prevent_self_review else ()
    counted = behind(requirement.stages, requester=side.requester, without=without, first=_NAMES)
    names = _people(counted) if is_operator(reader) else {}
    told = 1 if requirement.level == "info" else None
    return [
        {
            "stage": one.stage,
            "behind": one,
            "rungs": ladder(one.stage, requirement.on_timeout, alone=True, opens=None if number else now)[:told],
            "names": [names[pk] for pk in one.first if pk in names],
        }
        for number, one in enumerate(counted)
    ]


def _side(reader: Any, facts: dict[str, Any]) -> Side:
    """Those who may not decide on what they ask for. Only operators, and everybody of themselves, are told: else counts
    with and without somebody would tell who is in which group."""
    operator = is_operator(reader)
    if not (operator or facts["requester"] == reader.get_username()):
        return Side(None, ())
    model = get_user_model()
    named = model._default_manager.filter(**{model.USERNAME_FIELD: facts["requester"]}) if facts["requester"] else None
    requester = None if named is None else named.values_list("pk", flat=True).first()
    own = {requester}
    if operator and facts["agent"]:
        own |= set(ApiKey.objects.filter(agent=facts["agent"]).values_list("owner_user", flat=True)[:_MOST])
    own -= {None}
    return Side(requester, tuple(own | people.standing_in(own)))


def _people(found: list[Behind]) -> dict[Any, Any]:
    wanted = {pk for one in found for pk in one.first}
    return {user.pk: user for user in get_user_model()._default_manager.filter(pk__in=wanted)}


def _page(request: HttpRequest, form: FactsForm, *, status: int = 200, **context: Any) -> HttpResponse:
    return render(
        request,
        "hitl/review/policy_simulate.html",
        {"title": _("Who would be asked?"), "form": form, **context},
        section="policies",
        status=status,
    )
