"""Slack: a message with a link to the request, changed when it is decided. A pointer, never a decision.

All text is sent as plain text, in which Slack makes nothing of mentions, links or marks; at high and critical risk
nothing that an agent wrote is sent at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from hitl.conf import conf
from hitl.definition.text import one_line
from hitl.models import Approval, Notification
from hitl.notifications.channels import net
from hitl.notifications.channels.errors import Undelivered
from hitl.notifications.kinds import KINDS
from hitl.notifications.words import happened
from hitl.notifications.words.common import QUIET, RISKS, moment, requester_name
from hitl.states import NotificationStatus

_TIMEOUT = 10
_LONGEST_WAIT = 86400.0  # seconds that Slack may ask us to wait
_FOR_GOOD = {"invalid_blocks", "msg_too_long", "message_not_found", "cant_update_message", "edit_window_closed"}
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "(at)"})
Call = tuple[str, dict[str, Any]]


def prepare(row: Notification) -> None:
    """Read what `send` needs, which may not ask the database: calls of Slack's methods, kept with the row in memory."""
    row.payload = {**(row.payload or {}), "calls": None if _comes_first(row) else _calls(row)}


def send(row: Notification) -> str:
    """Say it in the channel; returns `channel:ts` of the message that stands for the request. Raises Undelivered and
    OSError."""
    calls = (row.payload or {})["calls"]
    if calls is None:
        raise Undelivered("what was said before it is still on its way", retry_after=5)
    say = _by_token() if conf.SLACK_TOKEN else _by_webhook
    for method, said in calls:
        made = say(method, said)
        if method != "chat.update":
            row.remote = row.remote or made
    return row.remote


def _comes_first(row: Notification) -> bool:
    """Whether the message that this one follows may still come."""
    rows = Notification.objects.filter(approval=row.approval_id, channel="slack", status=NotificationStatus.PENDING)
    return bool(conf.SLACK_TOKEN) and rows.filter(created_at__lt=row.created_at).exclude(pk=row.pk).exists()


def _calls(row: Notification) -> list[Call]:
    """What to say: of a request a message of its own, of what follows a change of it or an answer below it."""
    approval, ends = row.approval, KINDS[row.kind].ends
    assert approval is not None
    said = _ended(row, approval) if ends else _asked(row, approval)
    row.remote = _message_of(approval) if conf.SLACK_TOKEN else ""
    if not conf.SLACK_TOKEN:
        return [("", said)]
    channel, _colon, ts = row.remote.partition(":")
    if ends:
        return [("chat.update", {**said, "channel": channel, "ts": ts})] if ts else []
    if ts:
        return [("chat.postMessage", {**said, "channel": channel, "thread_ts": ts})]
    return [*_replaced(approval), ("chat.postMessage", {**said, "channel": conf.SLACK_CHANNEL})]


def _replaced(approval: Approval) -> list[Call]:
    """The change of the message about the revision before this one."""
    older = Approval.objects.revisions(approval.run_id, approval.step.name, approval.key)
    before = older.filter(revision__lt=approval.revision).first()
    channel, _colon, ts = (_message_of(before) if before is not None else "").partition(":")
    if before is None or not ts:
        return []
    said = _message(before, _("Another revision has taken its place."), [], "")
    return [("chat.update", {**said, "channel": channel, "ts": ts})]


def _message_of(approval: Approval) -> str:
    rows = Notification.objects.filter(approval=approval.pk, channel="slack").exclude(remote="")
    return rows.order_by("created_at").values_list("remote", flat=True).first() or ""


def _asked(row: Notification, approval: Approval) -> dict[str, Any]:
    facts = [
        (_("Risk"), str(RISKS[approval.risk])),
        (_("Asked by"), requester_name(approval)),
        (_("Due"), moment(approval.expires_at)),
        (_("Digest"), approval.digest[:8]),
    ]
    return _message(approval, str(KINDS[row.kind].words), facts, _("Review"))


def _ended(row: Notification, approval: Approval) -> dict[str, Any]:
    """Who decided what and when; not what they wrote."""
    letter = happened(row)
    facts = [(one.who, one.verdict) for one in letter.said]
    if approval.decided_at is not None:
        facts.append((_("When"), moment(approval.decided_at)))
    return _message(approval, letter.lead, facts, "")


def _message(approval: Approval, lead: str, facts: list[tuple[str, str]], button: str) -> dict[str, Any]:
    """One message, as Slack has it; `button` leads to the request, where one logs in and decides."""
    title = approval.run.workflow.title if approval.risk in QUIET else approval.title
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": _plain(title, 150)},
        {"type": "section", "text": _plain(lead, 300)},
    ]
    if facts:
        blocks.append({"type": "section", "fields": [_plain(f"{name}: {value}", 300) for name, value in facts[:10]]})
    if button:
        url = str(conf.BASE_URL).rstrip("/") + reverse("review:hitl_approval_change", args=[approval.pk])
        element = {"type": "button", "text": _plain(button, 75), "url": url, "action_id": "review"}
        blocks.append({"type": "actions", "elements": [element]})
    words = f"{_plain(title, 150)['text']}: {_plain(lead, 300)['text']}"
    return {"text": words, "blocks": blocks, "unfurl_links": False, "unfurl_media": False, "mrkdwn": False}


def _plain(text: str, limit: int) -> dict[str, Any]:
    """Text in one line that Slack shows as it is: nobody is called, and no address becomes a link."""
    text = text.replace("://", "[:]//")
    lines = (one_line(text, most).translate(_ESCAPES) for most in (limit, limit // 5))
    return {"type": "plain_text", "text": next(line for line in lines if len(line) <= limit), "emoji": False}


def _by_token() -> Callable[[str, dict[str, Any]], str]:
    """How a bot speaks; what it said before can be changed."""
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError

    client = WebClient(token=conf.SLACK_TOKEN, base_url=conf.SLACK_URL, timeout=_TIMEOUT, retry_handlers=[])

    def say(method: str, said: dict[str, Any]) -> str:
        try:
            answer = client.api_call(method, json=said)
        except SlackApiError as error:
            response = error.response
            if method == "chat.update" and response.get("error") in _FOR_GOOD:
                return ""  # somebody removed the message: there is nothing to change
            told = str(response.get("error") or response.status_code)
            wait = _after(response.headers.get("Retry-After"))
            raise Undelivered(f"Slack answered {told}", permanent=told in _FOR_GOOD, retry_after=wait) from error
        return f"{answer['channel']}:{answer['ts']}"

    return say


def _by_webhook(method: str, said: dict[str, Any]) -> str:
    body = {name: said[name] for name in ("text", "blocks", "unfurl_links", "unfurl_media")}
    answer = net.post(conf.SLACK_WEBHOOK, json.dumps(body).encode(), {"Content-Type": "application/json"})
    if answer.status // 100 != 2:
        gone, wait = answer.status in (404, 410), _after(answer.headers.get("Retry-After"))
        raise Undelivered(f"Slack answered {answer.status}", permanent=gone, retry_after=wait)
    return ""


def _after(said: Any) -> float | None:
    return min(float(said), _LONGEST_WAIT) if str(said).isdecimal() else None
