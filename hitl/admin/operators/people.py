"""What operators see of people and their rules under `/admin/`: policies in words, who stands in for whom, and what was
said beside decisions. All of it read-only."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.timesince import timesince

from hitl import clock
from hitl.admin.operators.rows import Operated, ReadOnly
from hitl.definition import PolicyDocument, Stage
from hitl.models import Comment, Delegation, Feedback, Policy, Watch

_TIMEOUT = {
    "reject": "it is refused",
    "approve": "it is approved, where its risk is low and it can be undone",
    "escalate": "it goes further up",
}


@admin.register(Policy)
class PolicyAdmin(ReadOnly):
    """Policies, version by version."""

    list_display = ("name", "version", "active", "author", "created_at")
    list_filter = ("active",)
    list_select_related = ("author",)
    ordering = ("name", "-version")
    fields = ("name", "version", "active", "author", "created_at", "rules", "document")
    readonly_fields = ("rules",)

    @admin.display(description="In words")
    def rules(self, policy: Policy) -> str:
        """The document as sentences, the first rule that matches first."""
        return format_html_join("\n", "<p>{}</p>", ((line,) for line in in_words(policy.value)))


@admin.register(Delegation)
class DelegationAdmin(Operated):
    """Who stands in for whom, and when."""

    list_display = ("from_user", "to_user", "starts_at", "ends_at", "in_force", "revoked_at", "reason")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("from_user", "to_user")
    ordering = ("-id",)

    @admin.display(description="In force", boolean=True)
    def in_force(self, row: Delegation) -> bool:
        """Whether it counts now."""
        return row.revoked_at is None and row.starts_at <= clock.now() < row.ends_at


@admin.register(Comment)
class CommentAdmin(ReadOnly):
    """Remarks on requests."""

    list_display = ("at", "author", "approval", "text")
    list_select_related = ("author", "approval")
    ordering = ("-id",)


@admin.register(Watch)
class WatchAdmin(ReadOnly):
    """Who wants to be told what becomes of a request."""

    list_display = ("at", "user", "approval")
    list_select_related = ("user", "approval")
    ordering = ("-id",)


@admin.register(Feedback)
class FeedbackAdmin(Operated):
    """Opinions afterwards."""

    list_display = ("at", "key", "score", "comment", "by", "run", "step")
    list_filter = ("key",)
    list_select_related = ("run", "step")
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> Any:
        """With what each is about."""
        return super().get_queryset(request).select_related("decision")


def in_words(document: PolicyDocument) -> Iterator[str]:
    """A policy in sentences."""
    for number, rule in enumerate(document.rules, 1):
        name = f" ({rule.name})" if rule.name else ""
        yield f"{number}. If {rule.when}{name}: {'; '.join(_rule(rule))}."
    default = document.default
    level = f"; level {default.level}" if default.level else ""
    yield f"Otherwise: {_stages(default.stages)}{level}; if nobody decides, {_TIMEOUT[default.on_timeout]}."
    if not document.prevent_self_review:
        yield "Who asks may also decide."
    for risk in document.step_up:
        yield f"At {risk} risk people give their password again."
    if document.comment != "on_reject":
        yield f"A comment is needed: {document.comment.replace('_', ' ')}."


def _rule(rule: Any) -> Iterator[str]:
    if rule.auto:
        yield f"it passes by itself, until {rule.until:%Y-%m-%d}"
    if rule.stages:
        yield _stages(rule.stages)
    if rule.level:
        yield f"level {rule.level}"
    if rule.on_timeout:
        yield f"if nobody decides, {_TIMEOUT[rule.on_timeout]}"


def _stages(stages: tuple[Stage, ...]) -> str:
    return ", then ".join(_stage(stage) for stage in stages)


def _stage(stage: Stage) -> str:
    words = [f"{stage.approvals or 'as many as the risk asks for'} of {', '.join(stage.reviewers)}"]
    if stage.rejections > 1:
        words.append(f"{stage.rejections} refusals end it")
    if stage.timeout:
        words.append(f"within {_span(stage.timeout)}")
    if stage.remind:
        words.append(f"reminded after {', '.join(_span(after) for after in stage.remind)}")
    for rung in stage.escalate:
        also = "also" if rung.mode == "add" else "only"
        words.append(f"after {_span(rung.after)} {also} {', '.join(rung.to)}")
    if stage.fallback:
        words.append(f"{', '.join(stage.fallback)} where these are not enough")
    return f"{words[0]} ({'; '.join(words[1:])})" if words[1:] else words[0]


def _span(seconds: float) -> str:
    now = clock.now()
    return timesince(now, now + timedelta(seconds=seconds)) if seconds >= 60 else f"{seconds:g} seconds"
