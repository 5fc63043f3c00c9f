"""Who does something: a person, a program with a key, or the system itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model

from hitl.models import ApiKey

_correlation: ContextVar[str] = ContextVar("hitl_correlation", default="")


@dataclass(frozen=True, slots=True)
class Actor:
    """Kind (user, key or system), id within the kind, and the name at the time."""

    kind: str
    id: str
    name: str

    @property
    def text(self) -> str:
        """How columns keep it: `user:7`, `key:…`, `system`."""
        return f"{self.kind}:{self.id}" if self.id else self.kind

    @property
    def is_person(self) -> bool:
        """Whether a human being acts."""
        return self.kind == "user"

    @property
    def user_pk(self) -> Any:
        """A person's key, of the type the project's user model has."""
        return get_user_model()._meta.pk.to_python(self.id)

    @classmethod
    def of(cls, who: Any) -> Actor:
        """The actor behind a user, an API key or an Actor; raises TypeError for anything else, None above all."""
        if isinstance(who, Actor):
            return who
        if isinstance(who, ApiKey):
            return cls("key", str(who.pk), who.agent)
        if getattr(who, "pk", None) is not None and hasattr(who, "get_username"):
            return cls("user", str(who.pk), person_name(who))
        raise TypeError(f"{who!r} is no actor: pass a saved user, an API key or hitl.SYSTEM")


def person_name(user: Any) -> str:
    """What a person is called: their full name, or the one they log in with. They need not be saved."""
    return str(user.get_full_name() or user.get_username())


SYSTEM = Actor("system", "", "hitl")


@contextmanager
def correlation(value: str) -> Iterator[None]:
    """Mark all records of one gesture (a request, a task) with one id."""
    token = _correlation.set(value)
    try:
        yield
    finally:
        _correlation.reset(token)


def current_correlation() -> str:
    """The id of the gesture we are in, or nothing."""
    return _correlation.get()
