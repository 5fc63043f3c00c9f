"""Inputs that hold a JSON value without changing it, name a person, or say when."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from hitl.definition import parse
from hitl.exceptions import NotCanonical


class JSONText(forms.CharField):
    """Any JSON value, read as strictly as everywhere; with `blank` nothing typed is None."""

    def __init__(self, *, blank: bool = False, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}), strip=True, **options)
        self.blank = blank

    def clean(self, value: Any) -> Any:
        """The value, or what is wrong with it."""
        text = super().clean(value)
        if not text and self.blank:
            return None
        try:
            return parse(text, what="this")
        except NotCanonical as error:
            raise forms.ValidationError(error.message) from error


class Lines(forms.CharField):
    """Text of several lines. Browsers send CRLF at each line's end, which would silently change the argument."""

    def __init__(self, *, strip: bool = False, **options: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": 3}), strip=strip, **options)

    def to_python(self, value: Any) -> Any:
        """The text with the line ends it came with."""
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class Whole(forms.IntegerField):
    """A whole number, in a text input: a browser's number input changes by the wheel and forgets what is no number."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"inputmode": "numeric"}), **options)


class Person(forms.CharField):
    """A person, by the name they sign in with: a list of everybody would be long, and tell too much."""

    def __init__(self, **options: Any) -> None:
        attrs = {"spellcheck": "false", "autocapitalize": "none"}
        super().__init__(widget=forms.TextInput(attrs=attrs), max_length=254, **options)

    def clean(self, value: Any) -> Any:
        """The user, or that there is none; None where nobody need be named and nobody is."""
        name = super().clean(value)
        if not name:
            return None
        try:
            return get_user_model()._default_manager.get_by_natural_key(name)
        except get_user_model().DoesNotExist:
            raise forms.ValidationError(_("There is nobody who signs in with this name.")) from None


_zone = lazy(timezone.get_current_timezone_name, str)


class When(forms.DateTimeField):
    """A day and a time, in the zone the screens show."""

    def __init__(self, **options: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(widget=widget, **options)
        self.help_text = format_lazy(_("Time zone: {zone}"), zone=_zone())
