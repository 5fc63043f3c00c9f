"""The demo in a process of its own, and a Chromium that tells of everything it did not like."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from tests.servers import chromium_bin, free_port

ROOT = Path(__file__).parents[2]
ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Demo:
    """A running demo: where it is, who may sign in, and what it printed."""

    process: subprocess.Popen[str]
    folder: Path
    lines: list[str] = field(default_factory=list)
    url: str = ""
    username: str = ""
    password: str = ""

    def read(self) -> None:
        """Read what it prints until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)

    def find(self, pattern: str) -> re.Match[str]:
        """What it printed, as soon as it did."""
        until = time.monotonic() + 60
        while time.monotonic() < until and self.process.poll() is None:
            if found := re.search(pattern, "".join(self.lines)):
                return found
            time.sleep(0.05)
        raise AssertionError("the demo did not start:\n" + "".join(self.lines))

    def mails(self) -> list[Any]:
        """The mails it wrote, the oldest first."""
        paths = sorted((self.folder / "mail").glob("*.eml"))
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in paths]

    def stop(self) -> int:
        """End it as a service manager would; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@contextmanager
def running(folder: Path) -> Iterator[Demo]:
    """A demo with its data in this folder."""
    port = free_port()
    env = {**os.environ, "HITL_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
    for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "HITL_TEST_BACKEND", "HITL_BASE_URL"):
        env.pop(name, None)
    command = [sys.executable, "manage.py", "demo", "--port", str(port)]
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    demo = Demo(process, folder)
    reader = threading.Thread(target=demo.read, daemon=True)
    reader.start()
    try:
        demo.url = demo.find(r"Open\s+(http://\S+?)/\s")[1]
        assert demo.url == f"http://127.0.0.1:{port}"
        _, demo.username, demo.password = demo.find(r"Sign in\s+(\S+)\s+/\s+(\S+)").group(0, 1, 2)
        demo.find(r"(?s)(/r/hitlr_.*){3}")
        yield demo
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        reader.join(5)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One demo for a module's tests; it must end cleanly and without a traceback."""
    with running(tmp_path_factory.mktemp("demo")) as found:
        yield found
        assert found.stop() == 0
        assert "Traceback" not in "".join(found.lines)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The browser. Not for longer than a module: Playwright's event loop would be in the way of the others' ORM."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_bin(), args=ARGS)
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page, and every complaint of the browser about it."""

    page: Any
    demo: Demo
    complaints: list[str] = field(default_factory=list)

    def sign_in(self, path: str = "/") -> None:
        """Open a page, sign in on the way, and arrive."""
        self.page.goto(self.demo.url + path)
        self.page.get_by_label("Username").fill(self.demo.username)
        self.page.get_by_label("Password").fill(self.demo.password)
        self.page.get_by_role("button", name="Sign in").click()

    def watch(self) -> None:
        """Write down errors, violations of the policy, and whatever goes to another host."""
        page = self.page
        page.on("console", lambda m: self.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda r: None if self._ours(r.url) else self.complaints.append(f"foreign: {r.url}"))
        page.on("requestfailed", self._failed)
        page.on("response", lambda r: self.complaints.append(f"{r.status}: {r.url}") if r.status >= 500 else None)

    def _failed(self, request: Any) -> None:
        """A request that failed; the browser itself aborts its icon's when it leaves a page or closes."""
        if not (request.failure == "net::ERR_ABORTED" and request.url.endswith("/icon.svg")):
            self.complaints.append(f"failed: {request.url} ({request.failure})")

    def _ours(self, url: str) -> bool:
        return url.startswith((self.demo.url + "/", "data:"))


@pytest.fixture
def open_tab(chromium: Any, demo: Demo) -> Iterator[Any]:
    """Open a tab with options of Playwright's contexts; at the end of the test nothing may have been complained of."""
    tabs: list[Tab] = []

    def build(**options: Any) -> Tab:
        context = chromium.new_context(**options)
        context.set_default_timeout(15_000)
        tab = Tab(context.new_page(), demo)
        tab.watch()
        tabs.append(tab)
        return tab

    yield build
    for tab in tabs:
        tab.page.context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []
