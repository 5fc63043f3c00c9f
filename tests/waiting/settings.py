"""The project's settings with room for four at the waiting door, two of them for one key, and long waits in threads."""

from datetime import timedelta

from project.settings import *  # noqa: F403

HITL_MAX_WAITERS = 4
HITL_WSGI_WAIT = timedelta(seconds=30)
