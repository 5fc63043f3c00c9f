"""A policy as people write it: YAML in, with the line of every mistake, and YAML out.

Narrower than YAML: one document, nothing named to be repeated, no types of its own, no key twice. What is read is what
is seen, and a short text stays short.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from hitl.definition import PolicyDocument
from hitl.exceptions import InvalidPolicy, UnknownReviewer
from hitl.policies.documents import checked

LONGEST = 100_000
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_SPANS = {"timeout", "after", "remind", "extend"}
_PLAINLY = {
    "missing": "is missing: write it",
    "extra_forbidden": "there is no such field here: take it out, or correct its name",
}


class Mistake(NamedTuple):
    """What is wrong, in which field, and on which line: 0 where it is on none."""

    line: int
    field: str
    words: str


def read(text: str) -> PolicyDocument:
    """The policy this text says, ready to be applied. Raises InvalidPolicy; `details["mistakes"]` lists each."""
    if len(text) > LONGEST:
        raise _wrong([Mistake(0, "", f"this is longer than {LONGEST} characters")])
    try:
        loader = _Narrow(text)
        root = loader.get_single_node()
        found = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        raise _wrong([_unreadable(error, text)]) from error
    if not isinstance(found, dict):
        raise _wrong([Mistake(0, "", "a policy has fields, such as name: and default:")])
    try:
        return checked(found)
    except UnknownReviewer as error:
        missing = error.details["missing"]
        told = [Mistake(_line_of(root, name), name, "there is no such user or group") for name in missing]
        raise _wrong(told) from error
    except InvalidPolicy as error:
        cause = error.__cause__
        told = list(_mistakes(cause, root)) if isinstance(cause, ValidationError) else [Mistake(0, "", error.message)]
        raise _wrong(told) from error


def write(document: Any) -> str:
    """A stored document as YAML: fields in their usual order, times as people write them."""
    try:
        value = PolicyDocument.read(document).model_dump(exclude_defaults=True)
    except InvalidPolicy:  # of an older version of hitl: shown as it is kept
        value = document
    text: str = yaml.safe_dump(_spans(value), sort_keys=False, allow_unicode=True, width=1000)
    return text


def _wrong(mistakes: list[Mistake]) -> InvalidPolicy:
    told = [": ".join(part for part in (one.field, one.words) if part) for one in mistakes]
    return InvalidPolicy("; ".join(told), mistakes=mistakes)


class _Narrow(yaml.SafeLoader):
    """Refuses what makes a small text mean a large thing, or another thing than it looks like."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refused(event, "nothing is repeated by * here: write it out")
        if getattr(event, "tag", None):
            raise _refused(event, "nothing has a type of its own (!) here: take it out")
        return super().compose_node(parent, index)

    def compose_mapping_node(self, anchor: Any) -> Any:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen:
                raise _refused(key, f"{name[:100]!r} stands twice: keep one")
            seen.add(name)
        return node


def _refused(where: Any, words: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=words, problem_mark=where.start_mark)


def _unreadable(error: BaseException, text: str) -> Mistake:
    if isinstance(error, RecursionError):
        return Mistake(0, "", "this is nested too deep")
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return Mistake(line, "", f"the character U+{error.character:04X} does not belong here")
    if not isinstance(error, yaml.MarkedYAMLError):
        return Mistake(0, "", str(error)[:500])
    mark = error.problem_mark or error.context_mark
    words = ", ".join(part for part in (error.context, error.problem) if part)
    return Mistake(0 if mark is None else mark.line + 1, "", words[:500])


def _mistakes(error: ValidationError, root: Any) -> Iterator[Mistake]:
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        words = _PLAINLY.get(item["type"], item["msg"].removeprefix("Value error, "))
        yield Mistake(_line_at(root, item["loc"]), ".".join(str(part) for part in item["loc"]), words)


def _line_at(node: Any, path: Sequence[Any]) -> int:
    """The line of the deepest part of the text that lies on this path."""
    line = 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
        else:
            values = node.value if isinstance(node, yaml.SequenceNode) else []
            pair = (values[part], values[part]) if isinstance(part, int) and part < len(values) else None
        if pair is None:
            break
        line, node = pair[0].start_mark.line + 1, pair[1]
    return line


def _line_of(node: Any, name: str) -> int:
    """The line where this text stands alone for the first time."""
    if isinstance(node, yaml.ScalarNode):
        return node.start_mark.line + 1 if node.value == name else 0
    parts = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
    return next((line for part in parts if (line := _line_of(part, name))), 0)


def _spans(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: _spans(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_spans(item, key) for item in value]
    return _span(value) if key in _SPANS and isinstance(value, float) and value >= 1 and value == int(value) else value


def _span(seconds: float) -> str:
    left, told = int(seconds), ""
    for unit, length in _UNITS:
        many, left = divmod(left, length)
        told += f"{many}{unit}" if many else ""
    return told
