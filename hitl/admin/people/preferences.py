"""How the screens talk to a person: their time zone, their language, light or dark, and single keys. How messages
reach them is in `notices`, on the same page."""

from __future__ import annotations

import zoneinfo
from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from hitl.admin.people.notices import NoticesForm
from hitl.admin.site import render
from hitl.models import Profile
from hitl.models.notifications import Theme

if TYPE_CHECKING:
    _Form = forms.ModelForm[Profile]
else:
    _Form = forms.ModelForm

_AREAS = {
    "Africa": _("Africa"),
    "America": _("America"),
    "Antarctica": _("Antarctica"),
    "Arctic": _("Arctic"),
    "Asia": _("Asia"),
    "Atlantic": _("Atlantic"),
    "Australia": _("Australia"),
    "Europe": _("Europe"),
    "Indian": _("Indian Ocean"),
    "Pacific": _("Pacific"),
}


class PreferencesForm(_Form):
    """Everything may stay empty: then it is as the project, the browser or the device has it."""

    time_zone = forms.ChoiceField(
        required=False,
        label=_("Time zone"),
        help_text=_("All times are shown in it, and those you enter are read in it."),
    )
    language = forms.ChoiceField(
        required=False, label=_("Language"), help_text=_("What agents and people wrote is not translated.")
    )

    class Meta:
        model = Profile
        fields = ("time_zone", "language", "theme", "single_keys")
        labels = {"theme": _("Light or dark"), "single_keys": _("Single keys")}
        help_texts = {
            "single_keys": _("On some pages one letter is enough, such as j for the next row. No key ever decides."),
        }

    def __init__(self, data: Any = None, *, instance: Profile | None = None) -> None:
        super().__init__(data, instance=instance, label_suffix="")
        offered: dict[str, Any] = {
            "time_zone": [("", _("As this site has it (%(zone)s)") % {"zone": settings.TIME_ZONE}), *_zones()],
            "language": [("", _("As the browser asks")), *settings.LANGUAGES],
            "theme": [("", _("As the device has it")), *Theme.choices],
        }
        for name, choices in offered.items():
            field: Any = self.fields[name]
            field.choices = choices
        for name, field in self.fields.items():
            field.widget.attrs["aria-describedby"] = f"help-{name} error-{name}"


@lru_cache(maxsize=1)
def _zones() -> list[tuple[Any, list[tuple[str, str]]]]:
    """The time zones by continent and ocean, each under its own name."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name in sorted(zoneinfo.available_timezones()):
        area, _slash, place = name.partition("/")
        if area in _AREAS:
            found[area].append((name, place.replace("_", " ").replace("/", " / ")))
    return [("UTC", [("UTC", "UTC")]), *((_AREAS[area], places) for area, places in found.items())]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def preferences_view(request: HttpRequest) -> HttpResponse:
    """What the reader prefers, and a way to change it."""
    who: Any = request.user
    if request.method != "POST":
        return _page(request, PreferencesForm(instance=getattr(who, "profile", None)), NoticesForm(who))
    form, notices = PreferencesForm(request.POST), NoticesForm(who, request.POST)
    if not (form.is_valid() and notices.is_valid()):
        return _page(request, form, notices, status=422)
    Profile.objects.update_or_create(user=who, defaults={**form.cleaned_data, **notices.profile})
    notices.keep()
    with translation.override(form.cleaned_data["language"] or translation.get_language_from_request(request)):
        messages.success(request, gettext("Your preferences are saved."))
    return HttpResponseRedirect(reverse("review:preferences"))


def _page(request: HttpRequest, form: PreferencesForm, notices: NoticesForm, *, status: int = 200) -> HttpResponse:
    context = {"title": gettext("Preferences"), "form": form, "notices": notices}
    return render(request, "hitl/review/preferences.html", context, section="preferences", status=status)


def urls(wrap: Any) -> list[URLPattern]:
    """The addresses of these pages."""
    return [path("preferences/", wrap(preferences_view), name="preferences")]
