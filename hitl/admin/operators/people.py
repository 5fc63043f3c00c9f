"""What operators see of people and their rules under `/admin/`: policies in words, who stands in for whom, and what was
said beside decisions. All of it read-only."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from hitl import clock
from hitl.admin.operators.rows import Operated, ReadOnly
from hitl.admin.policies.words import in_words
from hitl.definition.text import reveal
from hitl.models import Comment, Delegation, Feedback, Policy, Watch


@admin.register(Policy)
class PolicyAdmin(ReadOnly):
    """Policies, version by version."""

    list_display = ("name", "version", "active", "author", "created_at")
    list_filter = ("active",)
    list_select_related = ("author",)
    ordering = ("name", "-version")
    fields = ("name", "version", "active", "author", "created_at", "rules", "document")
    readonly_fields = ("rules",)

    @admin.display(description=_("In words"))
    def rules(self, policy: Policy) -> str:
        """The document as sentences, the first rule that matches first."""
        return format_html_join("\n", "<p>{}</p>", ((reveal(line),) for line in in_words(policy.value)))


@admin.register(Delegation)
class DelegationAdmin(Operated):
    """Who stands in for whom, and when."""

    list_display = ("from_user", "to_user", "starts_at", "ends_at", "in_force", "revoked_at", "reason")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("from_user", "to_user")
    ordering = ("-id",)

    @admin.display(description=_("In force"), boolean=True)
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
