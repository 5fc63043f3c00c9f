"""How people find out.

Question it answers: who must be told what, over which channel, and did it arrive?
May call: `transitions` (outbox rows join its writes), `policies` (who a name is), `models`; channels open sockets.
Never: decide anything; a socket inside a transaction.
"""

from hitl.notifications.channels.net import check_url
from hitl.notifications.channels.webhook import callback_secret
from hitl.notifications.deliver import PEOPLE, PROGRAMS, deliver, deliver_hooks
from hitl.notifications.links import Link, find_link, issue_link, mark_used, who_stops
from hitl.notifications.outbox import tell
from hitl.notifications.preferences import choose, modes_of, turn_off

__all__ = [
    "PEOPLE",
    "PROGRAMS",
    "Link",
    "callback_secret",
    "check_url",
    "choose",
    "deliver",
    "deliver_hooks",
    "find_link",
    "issue_link",
    "mark_used",
    "modes_of",
    "tell",
    "turn_off",
    "who_stops",
]
