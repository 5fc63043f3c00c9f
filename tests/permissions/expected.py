"""What the design says of every cell of the matrix, written by hand: nothing here asks the code under test.

Who may vote is a table with a row for each principal. Everything else follows from it by the few rules below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

ASKERS = ("person", "key", "team")  # a person, an agent owned by a person, an agent owned by a team
OPEN = ("question", "pending", "stage_2", "overdue")

# Why a principal may not vote ("" where they may) while a question waits, at stage 1 and at stage 2.
VOTE: dict[str, tuple[str, str, str]] = {
    "alice": ("own_request", "own_request", "own_request"),  # asks, or her agent does
    "on_behalf_of": ("own_request", "own_request", "own_request"),
    "asker_deputy": ("own_request", "own_request", "own_request"),  # stands in for who asked; reviews otherwise
    "candidate": ("", "", "not_candidate"),
    "holder": ("", "", "not_candidate"),  # has claimed it
    "decider": ("", "", "not_candidate"),  # casts the vote that ends stage 1
    "voter": ("", "already_voted", "not_candidate"),
    "voter_of_both": ("", "already_voted", "voted_earlier_stage"),  # is asked at both stages
    "ex_voter": ("", "already_voted", "not_candidate"),  # has left the group after voting
    "ex_member": ("", "", ""),  # has left it without; sees nothing any more
    "absent": ("", "", "not_candidate"),
    "deputy": ("", "", "not_candidate"),  # of the one before, who may still vote in person
    "represented": ("", "place_taken", "not_candidate"),
    "deputy_voted": ("", "already_voted", "not_candidate"),  # of the one before
    "hander": ("", "", "not_candidate"),
    "handed": ("not_candidate", "", "not_candidate"),  # got this request from the one before
    "editor": ("", "own_edit", "own_edit"),
    "editor_deputy": ("", "own_edit", "own_edit"),
    "teammate": ("", "", "not_candidate"),  # of the team whose agent may ask
    "deactivated": ("inactive", "inactive", "inactive"),
    "director": ("stage_not_open", "stage_not_open", ""),
    "director_voter": ("stage_not_open", "stage_not_open", "already_voted"),
    "manager": ("", "", ""),  # is asked only after an escalation
    "viewer": ("not_candidate", "not_candidate", "not_candidate"),  # has the permission to view
    "staff": ("", "", ""),
    "superuser": ("not_candidate", "not_candidate", "not_candidate"),
    "operator": ("not_candidate", "not_candidate", "not_candidate"),
    "outsider": ("", "", ""),
    "own_key": ("agent", "agent", "agent"),
    "other_key": ("", "", ""),
    "system": ("agent", "agent", "agent"),
}
# Where the agent of a team asks, these are people like others.
_TEAM = {
    "alice": ("", "", ""),
    "on_behalf_of": ("", "", "not_candidate"),
    "asker_deputy": ("", "", "not_candidate"),
}
# For whom there is no such request. Its agent's owner is no outsider: they may take it back.
_BLIND = {"ex_member", "manager", "staff", "outsider", "other_key"}
_ASKING = {
    "person": {"alice", "on_behalf_of"},
    "key": {"alice", "on_behalf_of", "own_key"},
    "team": {"teammate", "own_key"},
}
_IN_A_PLACE = {"deputy", "deputy_voted", "handed"}  # the other stand-ins are reviewers of their own as well
PROGRAMS = {"own_key", "other_key", "system"}
_OPERATORS = {"superuser", "operator"}

# Votes on record, by what the request came to.
_STAGE_1 = dict.fromkeys(("voter", "voter_of_both", "ex_voter", "deputy_voted"), "approve")
_STAGE_2 = {**_STAGE_1, "decider": "approve", "director_voter": "approve"}
_BOTH = {**_STAGE_2, "director": "approve"}
RECORDED: dict[str, dict[str, str]] = {
    "question": {},
    "pending": _STAGE_1,
    "stage_2": _STAGE_2,
    "overdue": _STAGE_1,
    "approved": _BOTH,
    "consumed": _BOTH,
    "rejected": {**_STAGE_1, "decider": "reject"},
    "answered": {"decider": "respond"},
    "revision_requested": {**_STAGE_1, "decider": "request_revision"},
    "expired": _STAGE_1,
    "cancelled": _STAGE_1,
    "superseded": {"voter": "approve", "editor": "edit"},
    "revoked": _BOTH,
}
# What whoever comes too late is told.
_CLOSED = {
    "overdue": "approval_closed",
    "approved": "already_decided",
    "consumed": "already_decided",
    "rejected": "already_decided",
    "answered": "already_decided",
    "revoked": "already_decided",
    "expired": "approval_closed",
    "cancelled": "approval_closed",
    "revision_requested": "stale_approval",
    "superseded": "stale_approval",
}
VERDICTS = ("approve", "edit", "reject", "respond", "request_revision")
ACTS = ("claim", "release", "delegate", "assign", "escalate", "extend", "remind", "withdraw", "cancel")
ANYTIME = ("comment", "watch", "revoke")
READS = ("read", "inbox", "bulk")
OPERATIONS = (*VERDICTS, *ACTS, *ANYTIME, *READS)


@dataclass(frozen=True, slots=True)
class Cell:
    """Somebody, something they want, and how the request stands."""

    asker: str
    status: str
    principal: str
    operation: str
    door: str = "verbs"

    def __str__(self) -> str:
        return f"{self.door} {self.asker}/{self.status}: {self.principal} {self.operation}"


@dataclass(frozen=True, slots=True)
class Expected:
    """What comes of it: `done`, `again` (the recorded answer), or an error's code, with its machine reason. `said` is
    what explain() says beforehand: the reason, or an empty text where it is possible."""

    code: str
    reason: str = ""
    said: str = ""


DONE = Expected("done")
UNKNOWN = Expected("unknown_approval", said="any")


def expected(cell: Cell) -> Expected:
    """What the design says of a cell. At the door itself: who is nobody, or a key without the scope, learns nothing."""
    if cell.principal in ("anonymous", "deactivated") and _signs_in(cell):
        return Expected("not_authenticated")
    if cell.principal.startswith("key:"):
        return _with_scope(cell)
    if cell.operation in ("bulk", "inbox"):
        return _bulk(cell) if cell.operation == "bulk" else _inbox(cell)
    if not sees(cell):
        return UNKNOWN
    if cell.operation in VERDICTS:
        return _verdict(cell)
    return _RULES_AT_ANY_TIME.get(cell.operation, _pending)(cell)


def _signs_in(cell: Cell) -> bool:
    """Verbs take whoever their caller names; at the shell lists are for whoever runs it."""
    return cell.door != "verbs" and (cell.door, cell.operation) != ("cli", "inbox")


def _with_scope(cell: Cell) -> Expected:
    needed = "approvals:request" if cell.operation in ("cancel", "remind") else "approvals:read"
    if cell.principal != f"key:{needed}":
        return Expected("permission_denied")
    return expected(replace(cell, principal="own_key"))


def sees(cell: Cell) -> bool:
    """Whether there is such a request for them."""
    if cell.principal == "ex_voter":
        return "ex_voter" in RECORDED[cell.status]
    if cell.principal == "handed":  # a person like any other, but for the revision that was handed to them
        return cell.status not in ("question", "answered", "superseded")
    if (cell.principal, cell.asker) in (("own_key", "person"), ("alice", "team")):
        return False
    return cell.principal not in _BLIND


def vote_problem(cell: Cell) -> str:
    """Why they may not vote while it waits."""
    column = {"question": 0, "stage_2": 2}.get(cell.status, 1)
    rows = {**VOTE, **_TEAM} if cell.asker == "team" else VOTE
    return rows[cell.principal][column]


def offered(cell: Cell) -> bool:
    """Whether the request offers this verdict at all."""
    return (cell.operation == "respond") == (cell.status in ("question", "answered"))


def _verdict(cell: Cell) -> Expected:
    problem = vote_problem(cell)
    possible = offered(cell)
    said = "not_offered" if not possible else "closed" if cell.status in _CLOSED else problem
    if RECORDED[cell.status].get(cell.principal) == cell.operation:
        return Expected("again", said=said)
    if cell.status in _CLOSED:
        return Expected(_CLOSED[cell.status], said=said)
    if problem:
        return Expected("not_allowed", problem, said=said)
    return DONE if possible else Expected("verdict_not_offered", said=said)


def _pending(cell: Cell) -> Expected:
    if cell.status in _CLOSED:
        return Expected(_CLOSED[cell.status], said="closed")
    program = _program(cell)
    if program and not (program == "agent" and cell.operation in ("cancel", "remind")):
        return _refused(program)
    return _refused(_RULES[cell.operation](cell))


def _refused(reason: str) -> Expected:
    return Expected("not_allowed", reason, said=reason) if reason else DONE


def _program(cell: Cell) -> str:
    """What keeps somebody from everything but voting."""
    return "agent" if cell.principal in PROGRAMS else "inactive" if cell.principal == "deactivated" else ""


def _asking_side(cell: Cell) -> bool:
    return cell.principal in _ASKING[cell.asker]


def _reviewing(cell: Cell) -> bool:
    """Asked now; who voted already may still push it on. Who has left the group is not asked any more."""
    return vote_problem(cell) in ("", "already_voted", "place_taken") and cell.principal != "ex_voter"


def _claim(cell: Cell) -> str:
    held = cell.status == "pending" and cell.principal != "holder"
    return vote_problem(cell) or ("claimed" if held else "")


def _release(cell: Cell) -> str:
    held = cell.status == "pending" and cell.principal in {"holder", *_OPERATORS}
    return "" if held else "not_claimed"


def _delegate(cell: Cell) -> str:
    return vote_problem(cell) or ("stands_in" if cell.principal in _IN_A_PLACE else "")


def _operators(cell: Cell) -> str:
    return "" if cell.principal in _OPERATORS else "not_operator"


def _push(cell: Cell) -> str:
    may = cell.principal in _OPERATORS or _reviewing(cell)
    return "" if may else vote_problem(cell)


def _escalate(cell: Cell) -> str:
    return _push(cell) or ("no_rung" if cell.status == "stage_2" else "")


def _remind(cell: Cell) -> str:
    return "" if _asking_side(cell) else _push(cell)


def _withdraw(cell: Cell) -> str:
    return "" if vote_problem(cell) == "already_voted" else "no_vote"


def _cancel(cell: Cell) -> str:
    return "" if _asking_side(cell) or cell.principal in _OPERATORS else "not_yours"


_RULES = {
    "claim": _claim,
    "release": _release,
    "delegate": _delegate,
    "assign": _operators,
    "escalate": _escalate,
    "extend": _push,
    "remind": _remind,
    "withdraw": _withdraw,
    "cancel": _cancel,
}


def _revoke(cell: Cell) -> Expected:
    program = _program(cell)
    agreed = RECORDED[cell.status].get(cell.principal) in ("approve", "edit")
    if program or not (agreed or cell.principal in _OPERATORS):
        return _refused(program or "not_voter")
    if cell.status == "consumed":
        return Expected("already_consumed", said="consumed")
    return DONE if cell.status == "approved" else Expected("approval_closed", said="not_approved")


def _inbox(cell: Cell) -> Expected:
    """What waits for a person, late ones first; nothing waits for a program."""
    shown = cell.status in OPEN and cell.principal not in PROGRAMS and sees(cell) and not vote_problem(cell)
    return Expected("done" if shown else "not_listed")


def _bulk(cell: Cell) -> Expected:
    """What comes of approving it with others: the recorded answer, the reason of the pre-flight, which is no refusal,
    or that it is closed already. Programs do not come so far."""
    if cell.door == "api" and cell.principal in PROGRAMS:
        return Expected("not_allowed", "agent")
    if not sees(cell):
        return Expected("done", said="unknown")
    if cell.status in ("question", "answered"):
        return Expected("done", said="question")
    if RECORDED[cell.status].get(cell.principal) == "approve":
        return Expected("again")
    return Expected("done", said=_CLOSED.get(cell.status) or vote_problem(cell))


def closed_already(wanted: Expected) -> bool:
    """Whether one of several is refused for being closed."""
    return wanted.said in _CLOSED.values()


_RULES_AT_ANY_TIME = {
    "read": lambda cell: DONE,
    "comment": lambda cell: _refused(_program(cell)),
    "watch": lambda cell: _refused(_program(cell)),
    "revoke": _revoke,
}
