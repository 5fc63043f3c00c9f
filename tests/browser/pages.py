"""Every page of `/review/` and `/admin/`, taken from the URLconf, and what Django answers for each in a world.

A page is answered by Django's own client and then given to a browser, with its headers, by `give`: no server, and no
page without a visit, since `unvisited` names what the list below forgets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from django.contrib import admin
from django.contrib.staticfiles import finders
from django.test import Client
from django.urls import URLPattern, get_resolver, resolve, reverse

from hitl.models import Step
from tests.browser.world import World

HOST = "hitl.test"
INBOX = "/review/hitl/approval/"
TOKEN = "c" * 32
VIEWS = ("claimed", "escalated", "delegated", "asked", "decided", "all")
# Addresses that lead on, take posts or answer programs: they must never answer with a page.
NO_PAGES = {
    "review/": "leads to the inbox",
    "review/counts/": "numbers for the script",
    "review/claim/<uuid:pk>/": "takes posts",
    "review/runs/<uuid:pk>/live/": "news for the script",
    "review/runs/<uuid:pk>/act/<slug:name>/": "takes posts",
    "review/delegations/<int:pk>/revoke/": "takes posts",
    "review/audit/runs/<uuid:pk>/evidence.json": "a file",
    "review/audit/runs/<uuid:pk>/evidence.csv": "a file",
    "review/audit/export.csv": "a file",
    "review/dead-letters/<uuid:pk>/resend/": "takes posts",
    "review/webhooks/<uuid:pk>/disable/": "takes posts",
    "review/webhooks/<uuid:pk>/enable/": "takes posts",
    "review/webhooks/<uuid:pk>/replay/": "takes posts",
    "review/webhooks/<uuid:pk>/rotate/": "takes posts",
    "review/webhooks/<uuid:pk>/test/": "takes posts",
    "review/logout/": "takes posts",
    "review/autocomplete/": "names for the script",
    "review/jsi18n/": "words for the script",
    "review/hitl/approval/<uuid:object_id>/decide/": "takes posts",
    "review/hitl/approval/<uuid:object_id>/act/<slug:name>/": "takes posts",
    "review/hitl/approval/<uuid:object_id>/next/": "leads on",
    "review/hitl/approval/<uuid:object_id>/previous/": "leads on",
    "review/r/<path:content_type_id>/<path:object_id>/": "leads on, or to nothing",
    "admin/logout/": "takes posts",
    "admin/autocomplete/": "names for the script",
    "admin/r/<path:content_type_id>/<path:object_id>/": "leads on, or to nothing",
}


@dataclass(frozen=True)
class Visit:
    """One look at an address by somebody (nobody is signed in where `who` is empty), or one form sent there."""

    name: str
    path: str
    who: str = "dana"
    body: dict[str, Any] | None = None

    @property
    def url(self) -> str:
        """Where the browser finds what was answered: each person has a host, each form a place."""
        path = self.path if self.body is None else f"/-/{self.name}/"
        return f"http://{self.who or 'nobody'}.{HOST}{path}"


def routes() -> set[str]:
    """All addresses of the two sites, as the URLconf writes them."""

    def walk(patterns: Any, before: str) -> Iterator[str]:
        for one in patterns:
            if isinstance(one, URLPattern):
                yield before + str(one.pattern)
            else:
                yield from walk(one.url_patterns, before + str(one.pattern))

    found = (route.replace("^", "") for route in walk(get_resolver().url_patterns, ""))
    return {route for route in found if route.startswith(("review/", "admin/"))}


def unvisited(visits: list[Visit]) -> list[str]:
    """The addresses that nobody looks at and that are not known to be no pages; of Django's old addresses of rows,
    which lead to their forms, one stands for all."""
    seen = {resolve(urlsplit(visit.path).path).route for visit in visits}
    old = {route for route in routes() if route.startswith("admin/") and route.endswith("/<path:object_id>/")}
    return sorted(routes() - seen - set(NO_PAGES) - (old if old & seen else set()))


def no_pages(world: World) -> dict[str, Any]:
    """What is answered where no page is."""
    client = Client()
    client.force_login(world.people["rita"])
    known = {"<uuid:object_id>": world.requests["cleanup"].pk, "<uuid:pk>": world.runs["cleanup"].pk, "<int:pk>": 1}
    found = {}
    for route in NO_PAGES:
        path = route.removesuffix("$").replace("(?P<app_label>hitl)", "hitl")
        for name, value in known.items():
            path = path.replace(name, str(value))
        found[route] = client.get("/" + re.sub("<[a-z]+:[a-z_]+>", "1", path))
        found[route].body = found[route].getvalue()  # read while there are rows
    return found


def review_pages(world: World) -> list[Visit]:
    """What reviewers see, and operators beside them."""
    run, old = world.runs["cleanup"].pk, world.requests["cleanup"].supersedes_id
    fork = {"step": Step.objects.filter(run=run, name="find").get().pk}
    found = [
        Visit("login", "/review/login/", ""),
        Visit("password", "/review/password_change/"),
        Visit("password-done", "/review/password_change/done/"),
        Visit("app", "/review/hitl/"),
        Visit("inbox", INBOX),
        *(
            Visit(f"inbox-{view}", f"{INBOX}?view={view}")
            for view in ("claimed", "delegated", "asked", "decided", "all")
        ),
        Visit("inbox-empty", f"{INBOX}?q=nothing+has+these+words"),
        *(Visit(f"request-{name}", f"{INBOX}{row.pk}/") for name, row in world.requests.items()),
        Visit("request-not-mine", f"{INBOX}{world.requests['cleanup'].pk}/", "rita"),
        Visit("request-asked", f"{INBOX}{world.requests['cleanup'].pk}/", "sam"),
        Visit("request-audit", f"{INBOX}{world.requests['cleanup'].pk}/?tab=audit"),
        Visit("value", f"{INBOX}{old}/value/args/"),
        Visit("value-one", f"{INBOX}{old}/value/args/0/"),
        Visit("value-output", f"{INBOX}{old}/value/output/{fork['step']}/"),
        Visit("bulk", f"{INBOX}bulk/?" + "&".join(f"id={world.requests[name].pk}" for name in ("letter", "outside"))),
        Visit("runs", "/review/runs/", "rita"),
        *(Visit(f"run-{name}", f"/review/runs/{row.pk}/", "rita") for name, row in world.runs.items()),
        Visit("run-seen", f"/review/runs/{run}/"),
        *(
            Visit(f"run-part-{part}", f"/review/runs/{run}/?tab={part}", "rita")
            for part in ("timeline", "signals", "stream", "feedback")
        ),
        Visit("run-listening-signals", f"/review/runs/{world.runs['listening'].pk}/?tab=signals", "rita"),
        Visit("run-value", f"/review/runs/{run}/value/input/", "rita"),
        Visit("start", "/review/runs/start/", "rita"),
        Visit("start-run", "/review/runs/start/cleanup/", "rita"),
        Visit("workflow", "/review/workflows/cleanup/", "rita"),
        Visit("policies", "/review/policies/"),
        Visit("policy", "/review/policies/deletion/", "rita"),
        Visit("policy-diff", "/review/policies/deletion/diff/?from=1&to=2"),
        Visit("policy-edit", "/review/policies/deletion/edit/", "rita"),
        Visit("policy-new", "/review/policies/new/", "rita"),
        Visit("policy-simulate", "/review/policies/simulate/"),
        Visit("oversight", "/review/oversight/", "rita"),
        Visit("records", "/review/audit/", "rita"),
        Visit("verify", "/review/audit/verify/", "rita"),
        *(Visit(name, f"/review/{name}/", "rita") for name in ("webhooks", "dead-letters")),
        Visit("webhook", f"/review/webhooks/{world.webhook.pk}/", "rita"),
        Visit("webhook-new", "/review/webhooks/new/", "rita"),
        Visit("delegations", "/review/delegations/"),
        Visit("preferences", "/review/preferences/"),
        Visit("keys", "/review/keys/", "sam"),
        Visit("key-revoke", f"/review/keys/{world.keys['agent'].pk}/revoke/", "sam"),
        Visit("not-found", "/review/nothing-here"),
    ]
    return found


def forms_sent(world: World, text: str) -> list[Visit]:
    """Pages that come back with what was typed: wrong, unfinished or too late."""
    row, letter = world.requests["cleanup"], world.requests["letter"]
    args = {"verdict": "reject", "digest": "0" * 64, "revision": row.revision, "comment": text, "phrase": text}
    bulk = {
        "id": [str(letter.pk), str(world.requests["outside"].pk)],
        "verdict": "reject",
        "count": text,
        "comment": "",
    }
    policy = {"text": f"name: deletion\ndescription: {text!r}\n", "base": "1", "act": "preview"}
    waits = world.runs["listening"].pk
    return [
        Visit("sent-stale", f"{INBOX}{row.pk}/decide/", "dana", args),
        Visit("sent-nothing", f"{INBOX}{letter.pk}/decide/", "dana", {"digest": letter.digest, "comment": text}),
        Visit("sent-late", f"{INBOX}{world.requests['edited'].pk}/decide/", "ines", args),
        Visit("sent-act", f"{INBOX}{row.pk}/act/extend/", "dana", {"until": text, "reason": text}),
        Visit("sent-bulk", f"{INBOX}bulk/", "dana", bulk),
        Visit("sent-delegation", "/review/delegations/", "dana", {"to": text, "reason": text}),
        Visit("sent-policy", "/review/policies/deletion/edit/", "rita", policy),
        Visit("sent-facts", "/review/policies/simulate/?policy=deletion&risk=low&type=" + quote(text), "dana"),
        Visit("sent-start", "/review/runs/start/cleanup/", "rita", {"once": "one", "risk": text}),
        Visit(
            "sent-signal",
            f"/review/runs/{waits}/act/signal/",
            "rita",
            {"name": text, "payload": text},
        ),
        Visit("sent-search", f"{INBOX}?q=" + quote(text), "dana"),
        Visit("sent-runs", "/review/runs/?q=" + quote(text), "rita"),
        Visit("sent-login", "/review/login/", "", {"username": text, "password": text}),
        Visit("sent-preferences", "/review/preferences/", "dana", {"time_zone": text, "language": text}),
    ]


def admin_pages(world: World) -> list[Visit]:
    """What operators see of the stock admin: every model with its list, its form, its history and its deletion."""
    found = [
        Visit("admin-login", "/admin/login/", ""),
        *(Visit(f"admin-{name}", f"/admin/{path}", "rita") for name, path in (("index", ""), ("hitl", "hitl/"))),
        Visit("admin-words", "/admin/jsi18n/", "rita"),  # its widgets ask for them
        Visit("admin-password", "/admin/password_change/", "rita"),
        Visit("admin-password-done", "/admin/password_change/done/", "rita"),
        Visit("admin-user-password", f"/admin/auth/user/{world.people['dana'].pk}/password/", "rita"),
        Visit("admin-key-revoke", f"/admin/hitl/apikey/{world.keys['agent'].pk}/revoke/", "rita"),
        Visit("admin-not-found", "/admin/nothing-here", "rita"),
    ]
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        found.append(Visit(f"admin-{name}", reverse(f"admin:{name}_changelist"), "rita"))
        found.append(Visit(f"admin-{name}-add", reverse(f"admin:{name}_add"), "rita"))
        row = model._default_manager.order_by("-pk").first()
        pk = quote(str(row.pk), safe="") if row is not None else "0"  # what is not there is a page, too
        for page in ("change", "history", "delete"):
            found.append(Visit(f"admin-{name}-{page}", reverse(f"admin:{name}_{page}", args=[pk]), "rita"))
    found.append(Visit("admin-old-address", f"/admin/hitl/run/{world.runs['done'].pk}/", "rita"))
    return found


def answers(world: World, visits: list[Visit]) -> dict[str, Any]:
    """What Django answers to each, redirects followed, by the address in the browser."""
    clients: dict[str, Client] = {}
    found = {}
    for visit in visits:
        if visit.who not in clients:
            clients[visit.who] = Client(enforce_csrf_checks=True)
            clients[visit.who].cookies["csrftoken"] = TOKEN
            if visit.who:
                clients[visit.who].force_login(world.people[visit.who])
        if visit.body is None:
            found[visit.url] = clients[visit.who].get(visit.path, follow=True)
        else:
            found[visit.url] = clients[visit.who].post(visit.path, {"csrfmiddlewaretoken": TOKEN, **visit.body})
    return found


def give(page: Any, found: dict[str, Any], asked: list[str]) -> None:
    """Let a page of the browser find what was answered and the static files, and nothing else; `asked` lists what it
    wanted beyond that."""

    def answer(route: Any) -> None:
        url = urlsplit(route.request.url)
        ours = (url.hostname or "").endswith(HOST)
        if response := found.get(route.request.url):
            headers = {name: value for name, value in response.headers.items() if name != "Set-Cookie"}
            route.fulfill(status=response.status_code, headers=headers, body=response.content)
        elif ours and (file := _static(url.path)):
            route.fulfill(path=file)
        elif ours and url.path.endswith(("/counts/", "/live/")):
            route.fulfill(json={})
        else:
            asked.append(route.request.url)
            route.fulfill(status=404, body="")

    page.route("**/*", answer)


def _static(path: str) -> str:
    return str(finders.find(path.removeprefix("/static/")) or "") if path.startswith("/static/") else ""
