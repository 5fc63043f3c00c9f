"""A form made of a JSON Schema and a value, for everything that is typed as JSON: arguments, answers, inputs, signals.

    class Start(SchemaForm):                                     # or any form that calls `self.take(fields)`
        def __init__(self, data, *, schema):
            super().__init__(data)
            self.take(SchemaFields(schema, prefix="input", data=data))

    if form.asks: show the page again, nothing is done           # a button "add" or "remove" was pressed
    elif form.is_valid(): verb(form.schema.value(form.cleaned_data))
    form.add_error(form.schema.field_of("items.0.price"), "…")   # beside the right input

In the template: `{% include "hitl/review/parts/errors.html" %}` for the summary, then
`{% include "hitl/review/parts/fields.html" with node=form.schema.tree action=… %}`, `action` being where the form goes.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from hitl.admin.fields.build import Builder
from hitl.admin.fields.kept import Kept
from hitl.admin.fields.shapes import MISSING
from hitl.definition.text import reveal


class SchemaFields:
    """The inputs for one value. Posting them back unchanged gives that very value: what a schema leaves out, and what
    the value has beyond it, stays untouched. `editable` are the dotted paths that may be changed (all: None), as
    `decide` takes them. Of a value that is not there yet, `defaults` puts in what the schema proposes. `data` is what
    was posted; pressing "add" or "remove" is in it."""

    def __init__(
        self,
        schema: Any,
        *,
        prefix: str,
        value: Any = MISSING,
        editable: list[str] | None = None,
        data: Any = None,
        defaults: bool = False,
        label: Any = None,
    ) -> None:
        self._cleaned: dict[str, Any] = {}
        sent = {} if data is None else data
        builder = Builder(schema, prefix=prefix, editable=editable, data=sent, defaults=defaults)
        self.tree = builder.tree(value, _("Answer") if label is None else label)

    def fields(self) -> dict[str, forms.Field]:
        """The form's fields, by name."""
        return dict(self.tree.fields())

    def value(self, cleaned: dict[str, Any]) -> Any:
        """The value that was typed."""
        self._cleaned = dict(cleaned)
        found = self.tree.value(cleaned)
        return None if found is MISSING else found

    def asked(self, data: Any) -> bool:
        """Whether a button was pressed, or another way chosen, that only changes the form."""
        nodes = [node for node in self.tree.walk() if node.kind in ("object", "list", "ways")]
        buttons = (f"{node.name}-{word}" for node in nodes for word in ("~add", "~remove", "~show"))
        turned = (node.chooser is not None and node.state != data.get(node.name, node.state) for node in nodes)
        return any(name in data for name in buttons) or any(turned)

    def field_of(self, path: str) -> str:
        """The name of the field that a problem at this dotted path belongs to."""
        return self.tree.at(path, self._cleaned).name

    def inputs(self) -> dict[str, Kept]:
        """The fields that something is typed into, by name."""
        return {node.name: node.field for node in self.tree.walk() if node.field is not None}


class SchemaForm(forms.Form):
    """A form with the inputs of a value in it. After "add" or "remove" it is open again, with everything typed."""

    schema: SchemaFields | None = None
    asks = False

    def take(self, fields: SchemaFields) -> None:
        """Put the inputs in; last of all, since what was typed into every field is looked at here."""
        self.schema = fields
        for node in fields.tree.walk():
            node.form = self
        for name, field in fields.fields().items():
            field.widget.attrs.setdefault("autocomplete", "off")
            field.widget.attrs["aria-describedby"] = f"help-{name} error-{name}"
            self.fields[name] = field
        if self.is_bound and fields.asked(self.data):
            self.reopen()
        for node in fields.tree.walk():  # for the script that shows what was changed
            if node.field is None:
                continue
            if node.trail != node.label:
                node.field.widget.attrs["data-trail"] = reveal(node.trail)
            if self.is_bound or node.name in self.initial:
                node.field.widget.attrs["data-was"] = str(node.field.shown)

    @property
    def problems(self) -> list[tuple[str, Any, Any]]:
        """What is wrong: the id of the place, its label, and the sentence."""
        groups = self.schema.fields() if self.schema is not None else {}
        found: list[tuple[str, Any, Any]] = [("", "", error) for error in self.non_field_errors()]
        for field in self:
            if field.is_hidden and field.name not in groups:
                continue
            place = f"at-{field.name}" if field.is_hidden else field.id_for_label or f"id_{field.name}_0"
            found += [(place, field.label, error) for error in field.errors]
        return found

    def reopen(self) -> None:
        """Nothing was sent: what was typed is where the form begins."""
        for name, field in self.fields.items():
            typed = field.widget.value_from_datadict(self.data, self.files, name)
            if typed is not None:
                self.initial[name] = typed
        self.asks, self.is_bound = True, False
