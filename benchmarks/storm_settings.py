"""The project's settings, but webhooks may go to this machine."""

from project.settings import *  # noqa: F403

HITL_WEBHOOK_ALLOW = ["127.0.0.1"]
