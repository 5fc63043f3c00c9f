"""Every setting of hitl: its name, its default, and what it means.

The table below is the whole list; `docs/reference/settings.md` is held to it by a test.
A project overrides one by putting the same name into its Django settings.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings as django_settings

DEFAULTS: dict[str, Any] = {
    # What agents may hand in.
    "HITL_MAX_ACTION": 64 * 1024,  # bytes of an action's canonical arguments
    "HITL_MAX_PAYLOAD": 1024 * 1024,  # bytes of any other canonical value: input, output, signal
    "HITL_MAX_CONTEXT": 64 * 1024,  # bytes of what an agent shows beside its request
    "HITL_MAX_RESUME": 512 * 1024,  # bytes of what an agent has kept for itself with its request
    "HITL_MAX_PENDING": 1000,  # requests of one API key that wait at once, where the key names no limit of its own
    # How long things may take.
    "HITL_GATE_TIMEOUT": timedelta(hours=4),  # a gate without `timeout=`
    "HITL_CRITICAL_GATE_TIMEOUT": timedelta(hours=24),  # the same at critical risk
    "HITL_CALENDAR": {},  # when people work: `time_zone` (else TIME_ZONE), `hours` (else mon-fri 9 to 17), `holidays`
    "HITL_CALENDARS": {},  # others by their name, for `8h business NAME`
    "HITL_SIGNAL_TIMEOUT": timedelta(hours=1),  # wait_for_signal without `timeout=`
    "HITL_EXECUTE_WITHIN": timedelta(hours=24),  # from the approval to the start of the protected step
    "HITL_REPORT_WITHIN": timedelta(hours=1),  # from an agent's use of its grant to its report, else it is uncertain
    "HITL_LINK_LIFETIME": timedelta(hours=72),  # of a review link; it ends with its approval anyway
    "HITL_KEEP_ANSWERS": timedelta(hours=24),  # how long the same Idempotency-Key gets the same answer
    # How workers work.
    "HITL_LEASE": timedelta(seconds=30),  # a worker silent for so long has lost its step
    "HITL_HANDLER_WAIT": timedelta(seconds=60),  # then a step without a handler anywhere waits visibly
    "HITL_DRAIN": timedelta(seconds=60),  # a worker rings and lets go after so long, however much is ready
    "HITL_SWEEP_INTERVAL": timedelta(seconds=2),  # written into Beat's row when it is created
    "HITL_SWEEP_OVERDUE": timedelta(seconds=30),  # workers sweep themselves, and /readyz fails, after so long
    "HITL_BELL_CACHE": None,  # alias of a cache all processes share: fewer bells under load
    "HITL_PREPARE_STATEMENTS": True,  # off behind a connection pooler that cannot keep them
    # How clients wait for an answer.
    "HITL_MAX_WAITERS": 5000,  # requests one waiting process holds at once; the next is told to come again
    "HITL_WSGI_WAIT": timedelta(seconds=2),  # the most a plain web thread waits for `?wait=`
    # Where people go and how they are told.
    "HITL_BASE_URL": "http://127.0.0.1:8000",  # how links in mails begin
    "HITL_MAIL_FROM": "hitl <hitl@localhost>",
    "HITL_MAIL_ATTEMPTS": 12,  # over some three hours; then the notification is dead and waits for an operator
    "HITL_WEBHOOK_ALLOW": (),  # names and networks that webhooks may call although they are not public, at any port
    "HITL_WEBHOOK_PROXY": None,  # webhooks go through it, and then it vets where names lead to
    "HITL_SLACK_TOKEN": None,  # a bot token: requests are told in a channel, and changed there when they are decided
    "HITL_SLACK_CHANNEL": "",
    "HITL_SLACK_WEBHOOK": None,  # or an incoming webhook, which cannot change what it said
    "HITL_SLACK_URL": "https://slack.com/api/",  # for tests, and for what speaks like Slack
    "HITL_METRICS_TOKEN": None,  # /metrics answers to this bearer token; without one it does not exist
}


class Conf:
    """Reads settings by their short name: `conf.LEASE` is `HITL_LEASE`.

    Read at each use, so that tests can override settings. Raises AttributeError for a name that is not
    in the table.
    """

    def __getattr__(self, name: str) -> Any:
        full = f"HITL_{name}"
        if full not in DEFAULTS:
            raise AttributeError(f"hitl has no setting {full}")
        return getattr(django_settings, full, DEFAULTS[full])


conf = Conf()
