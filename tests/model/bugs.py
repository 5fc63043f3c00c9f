"""Mistakes somebody could make, planted one at a time: the machine must notice each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Any
from unittest import mock

from hitl.decisions import checks, quorum, stages
from hitl.decisions.acts import ends
from hitl.policies import acts, eligibility

# The rooms show functions of these names, so that the modules are asked for by their paths.
decide = import_module("hitl.decisions.decide")
expire = import_module("hitl.decisions.expire")
explain = import_module("hitl.policies.explain")


def _everywhere(name: str, wrong: Any, *modules: Any) -> Any:
    """One function replaced wherever it was imported."""

    @contextmanager
    def planted() -> Iterator[None]:
        with ExitStack() as patches:  # where one of them has no such name, the others are taken back
            for module in modules:
                patches.enter_context(mock.patch.object(module, name, wrong))
            yield

    return planted


def _without(*reasons: str) -> Any:
    """Eligibility that has forgotten a rule."""
    right = eligibility.why_not
    wrong = lambda *given: "" if right(*given) in reasons else right(*given)  # noqa: E731
    return _everywhere("why_not", wrong, eligibility, decide, acts)


def _one_no_is_enough(stage: Any, verdicts: Any) -> Any:
    return quorum_tally(stage.model_copy(update={"rejections": 1}), verdicts)


def _one_too_few(stage: Any, verdicts: Any) -> Any:
    found = quorum_tally(stage, verdicts)
    return replace(found, result="approved") if found.result == "open" and 0 < found.have == found.need - 1 else found


quorum_tally = quorum.tally


def _still_open(t: Any, approval: Any, votes: Any) -> None:
    """The deadline is not looked at."""
    status = checks.ApprovalStatus(approval.status)
    if status != checks.ApprovalStatus.PENDING:
        right_open(t, approval, votes)


right_open = checks.check_open
right_gather = eligibility.gather


def _gather_place_free(approval: Any, actor: Any, votes: Any, *asked: Any) -> Any:
    """Who stands in counts beside the one they stand in for."""
    found = right_gather(approval, actor, votes, *asked)
    if not found.taken:
        return found
    return replace(found, taken=False, places=tuple((int(one), None) for one in found.people if one != actor.id))


def _votes_of_this_stage(approval: Any, actor: Any, votes: Any, *asked: Any) -> Any:
    """Each stage counts for itself."""
    return right_gather(approval, actor, [vote for vote in votes if vote.stage == approval.stage], *asked)


def _no_flag(*given: Any, **more: Any) -> None:
    """Nobody looks whether the people left are enough."""


def _always_add(t: Any, approval: Any, votes: Any, **more: Any) -> None:
    """A rung that replaces only adds."""
    body = approval.requirement
    for stage in body["stages"]:
        for rung in stage["escalate"]:
            rung["mode"] = "add"
    approval.__dict__.pop("required", None)
    right_climb(t, approval, votes, **more)


right_climb = stages.climb


def _nobody_wrote_it(*given: Any) -> Any:
    """An edit under a quorum forgets who wrote it."""
    fresh = right_redraft(*given)
    fresh.edited_by_id = None
    return fresh


right_redraft = decide.redraft

BUGS: dict[str, Any] = {
    "somebody votes twice at two stages": _everywhere("gather", _votes_of_this_stage, eligibility, explain, decide),
    "the one who asks may say yes": _without("own_request"),
    "who wrote it may vote on it": _everywhere("redraft", _nobody_wrote_it, decide),
    "who is deactivated votes": _without("inactive"),
    "who stands in counts beside the other": _everywhere("gather", _gather_place_free, eligibility, explain, decide),
    "a vote counts after the deadline": _everywhere("check_open", _still_open, decide),
    "one no is always enough": _everywhere("tally", _one_no_is_enough, decide, stages),
    "one yes too few is enough": _everywhere("tally", _one_too_few, decide, stages),
    "too few people are not noticed": _everywhere("enough_people", _no_flag, decide, stages, ends),
    "a rung that replaces only adds": _everywhere("climb", _always_add, decide, stages, expire),
}
