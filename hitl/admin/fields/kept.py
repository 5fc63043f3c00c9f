"""Inputs that give back the very value they were made for, unless something else was typed.

A form shows values as text, and text knows no `1.0` beside `1`, no missing beside empty, no line end but its own. So
each of these fields compares what came in with what it showed: the same text is the same value, untouched.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from hitl.admin.fields.inputs import JSONText, Whole
from hitl.admin.fields.shapes import MISSING, Shape, moment_of, same
from hitl.definition.text import reveal

_MOST_RADIOS = 6
_LONG = 60
_SHORT = 120
_MODES = {"email": "email", "uri": "url"}
_TYPES = {"date": "date", "time": "time", "date-time": "datetime-local"}
_BOUNDS = (
    ("minimum", _("at least %(bound)s")),
    ("exclusiveMinimum", _("more than %(bound)s")),
    ("maximum", _("at most %(bound)s")),
    ("exclusiveMaximum", _("less than %(bound)s")),
    ("minLength", _("at least %(bound)s characters")),
    ("maxLength", _("at most %(bound)s characters")),
)


class Kept(forms.Field):
    """A field around one value: `kept` is what it was, `shown` how that reads, `empty` what an emptied input means."""

    kept: Any = MISSING
    shown: Any = ""
    empty: Any = MISSING

    def clean(self, value: Any) -> Any:
        """The value itself where nothing was changed, or was not sent at all; else what was typed."""
        text = value.replace("\r\n", "\n") if isinstance(value, str) else value
        if (text is None or text == self.shown) and not (self.required and self.kept is MISSING):
            return self.kept
        found = super().clean(value)
        return self.empty if text in ("", None) else found


class KeptText(Kept, forms.CharField):
    """A text of one line or of several; browsers send CRLF at each line's end."""

    def to_python(self, value: Any) -> Any:
        """The text with the line ends it came with."""
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text


class KeptMoment(KeptText):
    """A time of day with its seconds; or a day and a time, `zoned` in the reader's zone."""

    kind = "time"
    zoned = False

    def to_python(self, value: Any) -> Any:
        """The moment in ISO 8601."""
        text = super().to_python(value)
        if not text:
            return text
        at = moment_of(text, self.kind)
        if at is None:
            raise forms.ValidationError(_("This is not a time."))
        if self.zoned and isinstance(at, datetime) and at.tzinfo is None:
            at = timezone.make_aware(at)
        return at.isoformat()


class KeptWhole(Kept, Whole):
    """A whole number."""


class KeptJSON(Kept, JSONText):
    """Any JSON value."""


class KeptFlag(Kept, forms.BooleanField):
    """Yes or no, where it is one of them already."""


class Real(Kept, forms.FloatField):
    """A number; a whole one stays whole."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=forms.TextInput(attrs={"inputmode": "decimal"}), **options)

    def to_python(self, value: Any) -> Any:
        """The number as it was typed."""
        found = super().to_python(value)
        text = str(value).strip()
        whole = found is not None and text.lstrip("+-").isdigit() and len(text) < 100
        return int(text) if whole else found


class Choice(Kept, forms.TypedChoiceField):
    """One of some JSON values. What travels is the number of the value."""

    def __init__(self, values: list[Any], words: list[Any] | None = None, *, may_be_none: bool, **options: Any) -> None:
        texts = words or [reveal(value if isinstance(value, str) else _json(value)) for value in values]
        choices: list[Any] = [(str(number), text) for number, text in enumerate(texts)]
        few = len(choices) <= _MOST_RADIOS
        none = [("", _("No answer") if few else _("Choose…"))] if may_be_none or not few else []
        super().__init__(
            choices=[*none, *choices],
            widget=forms.RadioSelect if few else forms.Select,
            coerce=lambda number: values[int(number)],
            empty_value=None,
            **options,
        )


def input_for(shape: Shape, value: Any, *, optional: bool, **common: Any) -> Kept:
    """The input for a value of a simple shape, which holds it exactly (`shapes.holds`). `optional`: it may be left
    out; whether something must be typed is `required`, as of any field."""
    made: Kept
    if shape.kind == "choice" or (shape.kind == "boolean" and not isinstance(value, bool)):
        return _choice(shape, value, optional=optional, **common)
    if shape.kind == "boolean":
        made = KeptFlag(**{**common, "required": False})
        made.shown = value
    elif shape.kind == "string":
        made = _text(shape, value, **common)
    elif shape.kind == "json":
        made = KeptJSON(blank=optional, **common)
        made.shown = "" if value is MISSING else json.dumps(value, ensure_ascii=False, indent=2)
    else:
        made = KeptWhole(**common) if shape.kind == "integer" else Real(**common)
        made.shown = _json(value) if isinstance(value, int | float) else ""
    plain = type(made) is KeptText and shape.text("format") != "date"
    made.empty = None if shape.nullable else "" if plain else MISSING if optional else None
    made.kept, made.initial = value, made.shown
    return made


def bounds(shape: Shape) -> str:
    """How small or large, short or long it may be, in words."""
    text, told = shape.kind == "string", []
    for name, words in _BOUNDS:
        bound = shape.schema.get(name)
        fits = name.endswith("Length") == text and (text or shape.kind in ("integer", "number"))
        if fits and isinstance(bound, int | float) and (name, bound) != ("minLength", 1):
            told.append(str(words) % {"bound": bound})
    return ", ".join(told)


def _choice(shape: Shape, value: Any, *, optional: bool, **common: Any) -> Kept:
    flag, optional = shape.kind == "boolean", optional or shape.nullable
    values, words = ([True, False], [_("Yes"), _("No")]) if flag else (shape.values, None)
    given = next((str(n) for n, one in enumerate(values) if same(one, value)), "")
    made = Choice(values, words, may_be_none=not common["required"] and (optional or not given), **common)
    made.empty = None if shape.nullable else MISSING
    made.kept, made.shown, made.initial = value, given, given
    return made


def _text(shape: Shape, value: Any, **common: Any) -> Kept:
    text, form = value if isinstance(value, str) else "", shape.text("format")
    if form in _TYPES and (not text or moment_of(text, form) is not None):
        return _moment(form, text, **common)
    most = shape.schema.get("maxLength")
    short = "pattern" in shape.schema or bool(form) or (isinstance(most, int) and most <= _SHORT) or bool(text)
    attrs: dict[str, Any] = {"inputmode": _MODES[form]} if form in _MODES else {}
    one_line = short and "\n" not in text and len(text) <= _LONG
    widget = forms.TextInput(attrs) if one_line else forms.Textarea({"rows": min(8, max(2, len(text) // 40)), **attrs})
    made = KeptText(strip=False, widget=widget, **common)
    made.shown = text
    return made


def _moment(form: str, text: str, **common: Any) -> Kept:
    """A browser's own input. It writes a time without seconds where they are none, and so does this."""
    widget = forms.TextInput({"type": _TYPES[form], **({} if form == "date" else {"step": "1"})})
    if form == "date":
        made: Kept = KeptText(widget=widget, **common)
        made.shown = text
        return made
    made, at = KeptMoment(widget=widget, **common), moment_of(text, form) if text else None
    made.kind, made.zoned = form, form == "date-time" and (at is None or getattr(at, "tzinfo", None) is not None)
    if isinstance(at, datetime) and at.tzinfo is not None:
        at = timezone.localtime(at).replace(tzinfo=None)
    made.shown = at.isoformat().removesuffix(":00") if at is not None else ""
    return made


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
