"""The product as agents meet it: a real server with worker and beat in a process of its own, and people who decide.

`Product` runs `manage.py hitl up` on a fresh SQLite database in a folder of its own; it ends with its context. What it
is told goes through its doors: keys by the command line, decisions over the API as a signed-in person.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "a-long-word-for-tests"
PEOPLE = {"alice": (), "bob": ("finance",), "carol": ("finance",), "dana": ("directors",), "mallory": ()}
POLICIES = """\
name: refunds
default:
  stages: [{reviewers: ["group:finance"]}]
---
name: two-eyes
default:
  stages: [{reviewers: ["group:finance"], approvals: 2}]
---
name: hasty
default:
  stages: [{reviewers: ["group:finance"], timeout: 2s}]
---
name: ladder
default:
  stages: [{reviewers: ["group:finance"], timeout: 4h, escalate: [{after: 1h, to: ["group:directors"]}]}]
---
name: open
rules: [{when: "true", auto: approve, until: 2099-01-01}]
default:
  stages: [{reviewers: ["group:finance"]}]
"""
SCOPES = ("runs:start", "runs:read", "runs:control", "approvals:request", "approvals:read", "signals:send",
          "steps:work", "feedback:write")  # fmt: skip
_SETUP = """
from django.contrib.auth.models import Group, User
for name, groups in {people!r}.items():
    user = User.objects.create_user(name, name + "@example.com", {password!r})
    user.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
"""


class Product:
    """A running product: `url` is where it listens, `folder` where its data is."""

    def __init__(self, folder: Path, *, env: dict[str, str] | None = None) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        settings = {"HITL_DATA_DIR": str(folder), "SECRET_KEY": "only-for-tests", "HITL_API_RATE": "100000/min"}
        removed = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "HITL_BASE_URL", "HITL_TEST_BACKEND", "HITL_TEST_CHILD")
        kept = {name: value for name, value in os.environ.items() if name not in removed}
        self.env = {**kept, **settings, "DJANGO_SETTINGS_MODULE": "project.settings", **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self._jars: dict[str, CookieJar] = {}
        self._signing_in = threading.Lock()

    def start(self) -> None:
        """Make the database and its people if they are not there, and serve until `stop`."""
        if not (self.folder / "hitl.sqlite3").exists():
            self._fill()
        command = [sys.executable, "manage.py", "hitl", "up", "--port", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{self.url}/healthz", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                assert self.process.poll() is None, (self.folder / "server.log").read_text()[-3000:]
                time.sleep(0.1)
        raise AssertionError("the product did not start\n" + (self.folder / "server.log").read_text()[-3000:])

    def _fill(self) -> None:
        """Make the database with its people and policies, or copy what another product of this session made."""
        made = Path(os.environ["HITL_DATA_DIR"]) / "product.sqlite3"
        if not made.exists():
            self.manage("migrate", "--verbosity=0")
            self.manage("shell", "-v", "0", "-c", _SETUP.format(people=PEOPLE, password=PASSWORD))
            (self.folder / "policies.yaml").write_text(POLICIES)
            self.manage("hitl", "policy", "apply", str(self.folder / "policies.yaml"))
            self.sql("VACUUM INTO ?", str(made))
        else:
            shutil.copy(made, self.folder / "hitl.sqlite3")

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End the process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def manage(self, *words: str) -> str:
        """What a management command prints; a failure is a failed test."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words], cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def key(self, *scopes: str, agent: str = "robot", policies: tuple[str, ...] = ("*",), **limits: Any) -> str:
        """A new API key of alice's, with these scopes (all but approvals:reviewers by default)."""
        words = [word for scope in scopes or SCOPES for word in ("--scope", scope)]
        words += [word for policy in policies for word in ("--policy", policy)]
        words += [word for name, value in limits.items() for word in ("--limit", f"{name}={json.dumps(value)}")]
        out = self.manage("hitl", "key", "create", agent, "--owner", "alice", *words, "--json")
        return str(json.loads(out)["secret"])

    def call(self, method: str, path: str, body: Any = None, *, key: str = "", who: str = "", **headers: str) -> Any:
        """Status and body of one call of the API, with a key or as a signed-in person."""
        opener = self._opener(who)
        sent = {"Content-Type": "application/json", **headers}
        if key:
            sent["Authorization"] = f"Bearer {key}"
        if who:
            sent["X-CSRFToken"] = next(c.value or "" for c in self._jars[who] if c.name == "csrftoken")
        data = None if body is None and method == "GET" else json.dumps(body if body is not None else {}).encode()
        request = urllib.request.Request(f"{self.url}/api/v1/{path}", data, sent, method=method)
        try:
            with opener.open(request, timeout=90) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
                return error.code, json.loads(text) if text.startswith(b"{") else text.decode()

    def decide(self, request: str, who: str = "bob", verdict: str = "approve", **said: Any) -> Any:
        """One person's decision about a request, in the form they would see now; fails where it is refused."""
        status, seen = self.call("GET", f"approvals/{request}/", who=who)
        assert status == 200, (status, seen)
        body = {"verdict": verdict, "digest": seen["digest"], **said}
        status, answer = self.call("POST", f"approvals/{request}/decisions/", body, who=who)
        assert status in (200, 202), (status, answer)
        return answer

    def waiting(self, who: str = "bob") -> list[dict[str, Any]]:
        """What waits for a person, due soonest first."""
        status, answer = self.call("GET", "approvals/?view=inbox", who=who)
        assert status == 200, answer
        return list(answer["results"])

    def sql(self, text: str, *values: Any) -> list[Any]:
        """What the database says, read beside the running product."""
        with sqlite3.connect(self.folder / "hitl.sqlite3", timeout=20) as connection:
            rows = connection.execute(text, values).fetchall()
        connection.close()
        return rows

    def _opener(self, who: str) -> urllib.request.OpenerDirector:
        if not who:
            return urllib.request.build_opener()
        with self._signing_in:  # two threads may come as the same person
            self._sign_in(who)
        return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jars[who]))

    def _sign_in(self, who: str) -> None:
        if who not in self._jars:
            self._jars[who] = CookieJar()
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._jars[who]))
            login = f"{self.url}/review/login/"
            opener.open(login, timeout=30).close()
            token = next(c.value or "" for c in self._jars[who] if c.name == "csrftoken")
            form = f"username={who}&password={PASSWORD}&csrfmiddlewaretoken={token}".encode()
            opener.open(urllib.request.Request(login, form, {"Referer": login}), timeout=30).close()
            assert any(c.name == "sessionid" for c in self._jars[who]), f"{who} could not sign in"


@contextmanager
def product(folder: Path, **options: Any) -> Iterator[Product]:
    """A product that runs inside the block."""
    made = Product(folder, **options)
    try:
        made.start()
        yield made
    finally:
        made.stop()
