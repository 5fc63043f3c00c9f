"""Bodies about webhooks, and endpoints and messages as answers tell of them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from hitl.api.shapes.bodies import Closed, text
from hitl.models import Notification, WebhookEndpoint
from hitl.notifications.channels.webhook import kind_of, living
from hitl.notifications.kinds import TOLD_TO_PROGRAMS


class CreateWebhook(Closed):
    """POST /webhooks/"""

    url = serializers.CharField(max_length=500)
    description = text(max_length=200)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(sorted(TOLD_TO_PROGRAMS)), required=False, default=list, max_length=50
    )
    topics = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, default=list, max_length=100
    )


class ReplayBody(Closed):
    """POST /webhooks/{id}/deliveries/replay/"""

    delivery = serializers.UUIDField(required=False, default=None, allow_null=True)


class SecretShape(serializers.Serializer[Any]):
    """A secret that counts: how it begins, and until when."""

    begins = serializers.CharField()
    until = serializers.DateTimeField(allow_null=True)


class WebhookShape(serializers.ModelSerializer[WebhookEndpoint]):
    """An endpoint; with empty `kinds` or `topics` it hears of all. `failing_since`: nothing has arrived since then."""

    secrets = serializers.SerializerMethodField()

    class Meta:
        model = WebhookEndpoint
        fields: Any = (
            *("id", "url", "description", "kinds", "topics", "secrets", "created_at", "failing_since"),
            *("disabled_at", "disabled_why"),
        )

    def get_secrets(self, row: WebhookEndpoint) -> list[dict[str, Any]]:
        """Those that sign now, the newest first."""
        return [{"begins": one["secret"][:10], "until": one["until"]} for one in living(row)]


class WebhookTold(WebhookShape):
    """An endpoint; with empty `kinds` or `topics` it hears of all. `failing_since`: nothing has arrived since then."""

    kinds = serializers.ListField(child=serializers.CharField())
    topics = serializers.ListField(child=serializers.CharField())
    secrets = SecretShape(many=True)  # type: ignore[assignment]

    class Meta(WebhookShape.Meta):
        pass


class WebhookMade(WebhookTold):
    """An endpoint with its new secret, which is shown in this answer alone."""

    secret = serializers.CharField()

    class Meta(WebhookShape.Meta):
        fields = (*WebhookShape.Meta.fields, "secret")


class DeliveryShape(serializers.ModelSerializer[Notification]):
    """A message to an endpoint; its `id` is what the receiver gets as `webhook-id`."""

    type = serializers.SerializerMethodField()

    class Meta:
        model = Notification
        fields = (
            *("id", "type", "approval", "status", "attempts", "last_error", "created_at", "next_attempt_at"),
            "sent_at",
        )

    def get_type(self, row: Notification) -> str:
        """What it is called, as its body says it."""
        return kind_of(row)


class ReplayedShape(serializers.Serializer[Any]):
    """How many messages are sent again."""

    count = serializers.IntegerField()
