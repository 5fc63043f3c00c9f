"""Which cells there are: who comes to which door, what can be done there, and which of them each door takes."""

from __future__ import annotations

from zlib import crc32

from tests.permissions.expected import ASKERS, OPEN, OPERATIONS, PROGRAMS, VERDICTS, VOTE, Cell, expected, offered
from tests.permissions.world import STATUSES

SCOPES = (
    "runs:start", "runs:read", "runs:control", "approvals:request", "approvals:read", "signals:send", "steps:work",
    "feedback:write",
)  # fmt: skip
DOORS = ("verbs", "api", "admin", "cli")
_AROUND_AGENTS = (
    "alice", "on_behalf_of", "asker_deputy", "candidate", "teammate", "voter", "operator", "own_key", "other_key",
)  # fmt: skip

# Where a request is closed all askers are alike, so that one of them is enough.
WORLDS = [(asker, status) for status in STATUSES for asker in (ASKERS if status in OPEN else ASKERS[:1])]
# Each door takes its share, every n-th cell by a checksum of its name: the verbs, which all doors call, every cell
# while a request is open, and every third where it is closed, since there nearly everybody is told the same. A vote
# that is repeated is tried at every door. PostgreSQL takes a share of that again: it has no say in who may do what.
SHARES = {"verbs": 1, "api": 7, "admin": 10, "cli": 12}
CLOSED = 3
ON_POSTGRES = 3
# No agent comes in by a page or the shell, so that who owns it makes no difference there.
PLACES = [(door, *world) for door in DOORS for world in WORLDS if door in ("verbs", "api") or world[0] == "person"]


def principals(asker: str, door: str = "verbs") -> tuple[str, ...]:
    """Everybody there is where a person asked; where an agent did, those for whom that makes a difference. A key comes
    in by the API only, once with each scope."""
    found = tuple(VOTE) if asker == "person" else _AROUND_AGENTS
    if door == "verbs":
        return found
    people = tuple(name for name in found if name not in PROGRAMS)
    if door == "api":
        return (*people, "other_key", "anonymous", *(f"key:{scope}" for scope in SCOPES if asker == "key"))
    return (*people, "anonymous") if door == "admin" else people


def operations(cell: Cell) -> bool:
    """Whether there is such a thing at this door: a page offers no verdict that it does not offer, the command line
    reads for operators and decides one by one, and a program has no inbox."""
    if cell.door == "admin":
        return cell.operation != "bulk" and (cell.operation not in VERDICTS or offered(cell))
    if cell.door == "cli":
        return cell.operation not in ("read", "bulk")
    return not (cell.door == "api" and cell.operation == "inbox" and "key" in cell.principal)


def cells(door: str, asker: str, status: str, *, share: int | None = None) -> list[Cell]:
    """The cells of one world that one door takes, or every `share`-th of all."""
    found = [Cell(asker, status, who, what, door) for who in principals(asker, door) for what in OPERATIONS]
    part = share or SHARES[door] * (1 if status in OPEN else CLOSED)
    return [cell for cell in found if operations(cell) and _taken(cell, part)]


def _taken(cell: Cell, part: int) -> bool:
    return crc32(str(cell).encode()) % part == 0 or expected(cell).code == "again"
