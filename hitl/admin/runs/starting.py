"""Starting a run from a form made of its workflow's input."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from hitl import engine
from hitl.admin.fields.inputs import JSONText
from hitl.admin.fields.schema import SchemaFields, SchemaForm
from hitl.admin.runs.once import token
from hitl.admin.site import refusal, render
from hitl.definition import Definition
from hitl.definition.values import RISKS
from hitl.engine.outside.builtin import NAMES as BUILTIN
from hitl.engine.reads import may_start, recipes
from hitl.exceptions import HitlError
from hitl.models import Run, Workflow


class StartForm(SchemaForm):
    """The input of a run, a name of one's own for it, and how dangerous it is at least."""

    once = forms.CharField(widget=forms.HiddenInput, max_length=100)
    external_id = forms.CharField(
        required=False,
        max_length=200,
        label=_("Name of your own"),
        help_text=_("Such as a ticket; it can be searched."),
    )
    risk = forms.ChoiceField(
        required=False,
        label=_("Risk"),
        choices=[("", _("As the workflow says")), *((risk, _("At least %s") % risk) for risk in RISKS)],
    )

    def __init__(self, data: Any = None, *, definition: Definition) -> None:
        super().__init__(data, initial={"once": token()})
        if definition.input_schema:
            self.take(SchemaFields(definition.input_schema, prefix="input", data=data, defaults=True, label=_("Input")))
        else:
            self.fields["input"] = _any_input()

    @property
    def input(self) -> Any:
        """The value that was typed."""
        return self.schema.value(self.cleaned_data) if self.schema else self.cleaned_data["input"]


def _any_input() -> forms.Field:
    told = _("JSON, or nothing: the workflow does not say what it needs.")
    return JSONText(blank=True, required=False, label=_("Input"), help_text=told)


@never_cache
def start_list_view(request: HttpRequest) -> HttpResponse:
    """The workflows that can be started."""
    found = _startable(request)
    versions = {(row.name, row.digest): row for row in Workflow.objects.filter(name__in=found).defer("body")}
    rows = [{"definition": one, "row": versions.get((name, one.digest))} for name, one in found.items()]
    return render(request, "hitl/review/run_starts.html", {"title": _("Start a run"), "rows": rows}, section="runs")


@never_cache
def start_view(request: HttpRequest, name: str) -> HttpResponse:
    """The form of one workflow, and starting it; a second click finds the run that the first one started."""
    definition = _startable(request).get(name)
    if definition is None:
        raise Http404("there is no such workflow that you may start")
    form = StartForm(request.POST if request.method == "POST" else None, definition=definition)
    if request.method != "POST" or not form.is_valid():
        return _page(request, definition, form, status=422 if form.is_bound else 200)
    said = form.cleaned_data
    try:
        run: Run = engine.start(
            name,
            form.input,
            requester=request.user,
            idempotency_key=said["once"],
            external_id=said["external_id"],
            risk=said["risk"],
        )
    except HitlError as error:
        return _page(request, definition, form, status=422, error=error)
    messages.success(request, _("The run is started."))
    return HttpResponseRedirect(reverse("review:run", args=[run.pk]))


def _startable(request: HttpRequest) -> dict[str, Definition]:
    if not may_start(request.user):
        raise Http404("you may not start runs")
    return {name: one for name, one in recipes().items() if name not in BUILTIN}


def _page(
    request: HttpRequest, definition: Definition, form: StartForm, *, status: int, error: HitlError | None = None
) -> HttpResponse:
    started = error.details.get("run") if error is not None else None
    if started is not None:  # the next click is another run
        form.data = {name: form.data.get(name) for name in form.data} | {"once": token()}
    title = _("Start: %(title)s") % {"title": definition.title or definition.name}
    context = {"title": title, "definition": definition, "form": form, "started": started}
    context["error"] = refusal(error) if error else ""
    return render(request, "hitl/review/run_start.html", context, section="runs", status=status)
