"""What Hypothesis draws: rules, and what people say."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.model.case import Said
from tests.model.people import EVERYBODY, PEOPLE, REVIEWERS, Rules, Rung, Stage
from tests.model.world import GATES

WHO = st.sampled_from((*REVIEWERS, *EVERYBODY))  # reviewers twice: more of what is not refused
PERSON = st.sampled_from(PEOPLE)
NEAR = st.sampled_from((*REVIEWERS, "sam", "alice"))
MINUTES = st.sampled_from((5, 10, 15, 30, 60, 130))

_REVIEWERS = (
    ("group:finance",),
    ("group:directors",),
    ("group:finance", "user:erin"),
    ("group:directors", "group:finance"),
    ("user:bob", "user:carol", "user:erin"),
)
_TO = (("user:sam",), ("group:directors",), ("group:finance", "user:mallory"), ("user:dave", "user:root"))
_FALLBACK = ((), (), ("user:mallory",), ("group:directors", "user:sam"))


@st.composite
def _ladder(draw: Any) -> tuple[Rung, ...]:
    count = draw(st.sampled_from((0, 1, 1, 2)))
    return tuple(
        Rung(after, draw(st.sampled_from(_TO)), draw(st.sampled_from(("add", "replace")))) for after in (30, 60)[:count]
    )


@st.composite
def _stage(draw: Any) -> Stage:
    return Stage(
        draw(st.sampled_from(_REVIEWERS)),
        approvals=draw(st.sampled_from((1, 2, 2, 3))),
        rejections=draw(st.sampled_from((1, 1, 2))),
        remind=draw(st.sampled_from(((), (20, 60)))),
        ladder=draw(_ladder()),
        fallback=draw(st.sampled_from(_FALLBACK)),
    )


@st.composite
def rules(draw: Any) -> Rules:
    """Who must say yes; one in twelve is the requester's own confirmation."""
    own = draw(st.integers(0, 11)) == 11
    stages = [Stage(("requester",))] if own else draw(st.lists(_stage(), min_size=1, max_size=2))
    return Rules(
        tuple(stages),
        gate=draw(st.sampled_from(GATES)),
        asks=draw(st.sampled_from(("alice", "alice for olga", *([] if own else ["agent"])))),
        on_timeout=draw(st.sampled_from(("reject", "approve", "escalate", "escalate"))),
        comment=draw(st.sampled_from(("never", "on_approve", "on_reject", "always"))),
        prevent_self_review=draw(st.sampled_from((True, True, False))),
        level=draw(st.sampled_from(("confirm", "confirm", "verify"))),
        step_up=draw(st.sampled_from((False, False, True))),
        extend=draw(st.sampled_from((30, 60))),
        risk=draw(st.sampled_from(("low", "medium") if own else ("low", "low", "medium", "high", "critical"))),
        reversible=draw(st.booleans()),
    )


_MOSTLY = st.integers(0, 7).map(bool)


@st.composite
def said(draw: Any, *, well: bool = False) -> Said:
    """A vote; `well`: with all it needs."""
    if well:
        verdict = draw(st.sampled_from(("approve", "approve", "approve", "approve", "edit", "reject")))
        return Said(verdict, args=draw(st.sampled_from(("less", "more"))) if verdict == "edit" else "")
    verdict = draw(st.sampled_from(("approve", "approve", "edit", "reject", "request_revision", "respond")))
    args = draw(st.sampled_from(("less", "more", "text", "order"))) if verdict == "edit" else ""
    parts = [draw(_MOSTLY) for _ in range(4)]
    return Said(verdict, seen=parts[0], comment=parts[1], phrase=parts[2], fresh=parts[3], args=args)
