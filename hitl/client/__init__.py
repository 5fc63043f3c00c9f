"""The Python client: agents anywhere ask people first. Needs httpx (the extra `client`), and nothing of the server.

Question it answers: how does a program elsewhere ask, wait, act once, and report?
May call: httpx and the standard library; `adapters` call this room, never the other way.
Never: imports Django, Celery or any other room; decides; shows a key.
"""

from __future__ import annotations

from hitl.client import errors
from hitl.client.aio import AsyncClient
from hitl.client.errors import (
    AlreadyConsumed,
    BatchOpen,
    Cancelled,
    ClientError,
    Conflict,
    Expired,
    Invalid,
    LeaseLost,
    NotAllowed,
    NotApproved,
    NotDecided,
    NotFound,
    Pending,
    Rejected,
    RevisionRequested,
    StillPending,
    Throttled,
    Unavailable,
)
from hitl.client.sync import Client
from hitl.client.values import AsyncRequest, AsyncRun, Grant, Outcome, Request, Run
from hitl.client.worker import Continue, Fail, Task, Worker

__all__ = [
    "AlreadyConsumed",
    "AsyncClient",
    "AsyncRequest",
    "AsyncRun",
    "BatchOpen",
    "Cancelled",
    "Client",
    "ClientError",
    "Conflict",
    "Continue",
    "Expired",
    "Fail",
    "Grant",
    "Invalid",
    "LeaseLost",
    "NotAllowed",
    "NotApproved",
    "NotDecided",
    "NotFound",
    "Outcome",
    "Pending",
    "Rejected",
    "Request",
    "RevisionRequested",
    "Run",
    "StillPending",
    "Task",
    "Throttled",
    "Unavailable",
    "Worker",
    "errors",
]
