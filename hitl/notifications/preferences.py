"""How a person wants to hear of something: at once, in a digest, after their quiet hours, or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.utils import timezone

from hitl.models import Preference, Profile
from hitl.models.notifications import Digest, Mode
from hitl.notifications.kinds import KINDS

_CALM = ("low", "medium")
_MORNING = time(9)


@dataclass(frozen=True, slots=True)
class Plan:
    """Over which channel (`email` or `digest`) and not before when; an empty channel means not at all."""

    channel: str
    at: datetime


def plans(people: Iterable[Any], kind: str, *, risk: str, now: datetime) -> dict[Any, Plan]:
    """What to do for each of these people, by their key; two queries for all of them."""
    keys = [person.pk for person in people]
    profiles = {row.user_id: row for row in Profile.objects.filter(user__in=keys)}
    modes = dict(Preference.objects.filter(user__in=keys, kind=kind, channel="email").values_list("user", "mode"))
    return {key: plan(profiles.get(key), modes.get(key, ""), kind, risk=risk, now=now) for key in keys}


def plan(profile: Profile | None, mode: str, kind: str, *, risk: str, now: datetime) -> Plan:
    """What one person's wishes mean for one notice. What is needed cannot be turned off, what is of high risk or tells
    operators of trouble waits for no digest, and only what is critical is sent in quiet hours."""
    known = KINDS[kind]
    if mode == Mode.OFF and not known.needed:
        return Plan("", now)
    if risk == "critical":
        return Plan("email", now)
    calm = risk in _CALM and known.to != "operators"
    every = profile.digest if profile is not None else ""
    if calm and mode != Mode.NOW and (every or mode == Mode.DIGEST):
        return Plan("digest", after_quiet(profile, next_digest(every or Digest.DAILY, zone_of(profile), now)))
    return Plan("email", after_quiet(profile, now))


def next_digest(every: str, zone: tzinfo, now: datetime) -> datetime:
    """The next full hour, or the next nine o'clock of the person's own day."""
    local = now.astimezone(zone)
    if every == Digest.HOURLY:
        return now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    day = local.date() if local.time() < _MORNING else local.date() + timedelta(days=1)
    return datetime.combine(day, _MORNING, zone)


def after_quiet(profile: Profile | None, now: datetime) -> datetime:
    """Now, or the end of the person's quiet hours where it lies in them."""
    if profile is None or profile.quiet_from is None or profile.quiet_until is None:
        return now
    zone = zone_of(profile)
    local = now.astimezone(zone)
    start, end, at = profile.quiet_from, profile.quiet_until, local.time()
    inside = start <= at < end if start < end else at >= start or at < end
    if not inside:
        return now
    day = local.date() if at < end else local.date() + timedelta(days=1)
    return datetime.combine(day, end, zone)


def modes_of(user: Any) -> dict[str, str]:
    """How this person wants to hear of each kind they chose something for."""
    return dict(Preference.objects.filter(user=user, channel="email").values_list("kind", "mode"))


def choose(user: Any, modes: Mapping[str, str]) -> None:
    """Keep what a person chose for these kinds; an empty mode is as the kind usually is told."""
    rows = Preference.objects.filter(user=user, channel="email")
    rows.filter(kind__in=[kind for kind, mode in modes.items() if not mode]).delete()
    for kind, mode in modes.items():
        if mode:
            Preference.objects.update_or_create(user=user, kind=kind, channel="email", defaults={"mode": mode})


def turn_off(user: Any, kind: str) -> None:
    """No more messages of this kind to this person; what is needed comes nevertheless."""
    choose(user, {kind: Mode.OFF})


def is_off(user: Any, kind: str) -> bool:
    """Whether a person wants to hear nothing of a kind, and may."""
    return not KINDS[kind].needed and modes_of(user).get(kind) == Mode.OFF


def zone_of(profile: Profile | None) -> tzinfo:
    """A person's time zone, or the project's."""
    return ZoneInfo(profile.time_zone) if profile is not None and profile.time_zone else timezone.get_default_timezone()
