"""The project's settings with room for two at the waiting door, and long waits in threads."""

from datetime import timedelta

from project.settings import *  # noqa: F403

HITL_MAX_WAITERS = 2
HITL_WSGI_WAIT = timedelta(seconds=30)
