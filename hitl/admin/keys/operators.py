"""Keys under `/admin/`: operators see all of them, make new ones, and end them. Nobody else sees any."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import AdminForm
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from hitl import audit
from hitl.admin.keys.forms import SECTIONS, STATES, KeyForm
from hitl.admin.operators.rows import Operated
from hitl.admin.site import refusal
from hitl.definition.text import reveal
from hitl.exceptions import HitlError
from hitl.models import ApiKey
from hitl.policies import create_key, revoke_key
from hitl.policies.keys import state_of

_ONCE = "hitl_key_form"
_REVOKED = _("%(key)s is revoked: it lets nobody in any more.")
_SENT_BEFORE = _(
    "This form was sent before, or opened again elsewhere. See in the list whether the key is there; if not, send it."
)


@admin.register(ApiKey)
class ApiKeyAdmin(Operated):
    """Keys of agents. A secret is shown once, in the answer to the form that made it, and kept nowhere."""

    list_display = ("agent", "state", "end", "owner", "last_used_at", "expires_at", "key", "scope_list")
    list_select_related = ("owner_user", "owner_group")
    search_fields = ("agent", "prefix")
    ordering = ("-id",)
    fields = readonly_fields = (
        *("agent", "key", "owner", "state", "scope_list", "policy_list", "limit_list"),
        *("created_at", "last_used_at", "expires_at", "revoked_at", "timeline", "end"),
    )

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Operators only: also who else was given a permission to look is not shown what programs may do."""
        return self.has_operate_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """As for looking."""
        return self.has_operate_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Operators make keys."""
        return self.has_operate_permission(request)

    def get_urls(self) -> list[Any]:
        """One more page: ending a key."""
        end = self.admin_site.admin_view(self.revoke_view)
        return [path("<uuid:pk>/revoke/", end, name="hitl_apikey_revoke"), *super().get_urls()]

    # -- columns ---------------------------------------------------------------------------------------

    @admin.display(description=_("Key"), ordering="prefix")
    def key(self, row: ApiKey) -> str:
        """What it begins with, which is no secret."""
        return f"hitl_{row.prefix}_…"

    @admin.display(description=_("Owner"))
    def owner(self, row: ApiKey) -> str:
        """A person or a team."""
        return gettext("team %(team)s") % {"team": row.owner_group} if row.owner_group else str(row.owner_user)

    @admin.display(description=_("State"))
    def state(self, row: ApiKey) -> str:
        """Whether it lets anybody in."""
        return str(STATES[state_of(row)])

    @admin.display(description=_("May"))
    def scope_list(self, row: ApiKey) -> str:
        """Its scopes."""
        return ", ".join(row.scopes)

    @admin.display(description=_("Asks by the policies"))
    def policy_list(self, row: ApiKey) -> str:
        """Its policies."""
        return ", ".join(row.policies) or gettext("none")

    @admin.display(description=_("Limits"))
    def limit_list(self, row: ApiKey) -> str:
        """Its own limits, where it has some."""
        shown = (f"{name}: {', '.join(v) if isinstance(v, list) else v}" for name, v in sorted(row.limits.items()))
        return "; ".join(shown) or gettext("those of everybody")

    @admin.display(description=_("What happened to it"))
    def timeline(self, row: ApiKey) -> str:
        """Its audit chain in sentences."""
        lines = ((f"{line.at:%Y-%m-%d %H:%M:%S}", reveal(line.text)) for line in audit.timeline(f"key:{row.pk}"))
        return format_html_join("\n", "<p>{} · {}</p>", lines)

    @admin.display(description=_("End"))
    def end(self, row: ApiKey) -> str:
        """Where it is ended."""
        if row.revoked_at is not None:
            return "–"
        where = reverse("admin:hitl_apikey_revoke", args=[row.pk])
        words, label = gettext("Revoke…"), gettext("Revoke %(key)s") % {"key": row}
        return format_html('<a href="{}" aria-label="{}">{}</a>', where, label, words)

    # -- pages -----------------------------------------------------------------------------------------

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """The form; sent, the key with its secret, in this one answer, which no browser keeps."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._form(request, KeyForm())
        form = KeyForm(request.POST)
        fresh = secrets.compare_digest(request.session.pop(_ONCE, ""), request.POST.get("once", "-"))
        if form.is_valid() and not fresh:
            form.add_error(None, _SENT_BEFORE)
        return self._create(request, form) if form.is_valid() else self._form(request, form, status=422)

    @sensitive_variables("secret", "context")
    def _create(self, request: HttpRequest, form: KeyForm) -> HttpResponse:
        try:
            key, secret = create_key(**form.made, actor=request.user)
        except HitlError as error:
            form.add_error(None, refusal(error))
            return self._form(request, form, status=422)
        context = {**self._about(request, gettext("Key created")), "key": key, "secret": secret}
        return TemplateResponse(request, "hitl/keys/created.html", context)

    def revoke_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Ask whether it is meant; then end the key."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        key = ApiKey.objects.filter(pk=pk).first()
        if key is None:
            raise Http404("there is no such key")
        if request.method != "POST":
            context = {**self._about(request, gettext("Revoke a key")), "key": key, "state": state_of(key)}
            return TemplateResponse(request, "hitl/keys/revoke.html", context)
        before = key.revoked_at is not None
        revoke_key(key, actor=request.user)
        told = gettext("%(key)s was revoked before.") if before else _REVOKED
        messages.success(request, told % {"key": key})
        return HttpResponseRedirect(reverse("admin:hitl_apikey_changelist"))

    def _form(self, request: HttpRequest, form: KeyForm, *, status: int = 200) -> HttpResponse:
        once = request.session[_ONCE] = secrets.token_urlsafe(16)
        sections = AdminForm(form, SECTIONS, {}, model_admin=self)  # type: ignore[arg-type]  # it draws any form
        context = {**self._about(request, gettext("Add API key")), "form": form, "sections": sections, "once": once}
        return TemplateResponse(request, "hitl/keys/create.html", context, status=status)

    def _about(self, request: HttpRequest, title: str) -> dict[str, Any]:
        return {**self.admin_site.each_context(request), "title": title, "opts": self.opts}
