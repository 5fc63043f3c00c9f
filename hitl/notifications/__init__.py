"""How people find out.

Question it answers: who must be told what, over which channel, and did it arrive?
May call: `transitions` (outbox rows join its writes), `policies` (who a name is), `models`; channels open sockets.
Never: decide anything; a socket inside a transaction.
"""

from hitl.notifications.deliver import deliver
from hitl.notifications.links import Link, find_link, issue_link, mark_used
from hitl.notifications.outbox import tell

__all__ = ["Link", "deliver", "find_link", "issue_link", "mark_used", "tell"]
