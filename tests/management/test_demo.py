"""`manage.py demo`: the main job in one command, and only where it can do no harm."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection

from tests.rows import nothing_written

ROOT = Path(__file__).parents[2]


def test_it_refuses_where_there_is_a_real_broker(settings: Any, db: None) -> None:
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:6379/0"
    for command in (["demo"], ["demo", "--once"]):
        with nothing_written(), pytest.raises(CommandError, match="unset DATABASE_URL and REDIS_URL"):
            call_command(*command)
    with nothing_written(), pytest.raises(CommandError, match="processes of their own"):
        call_command("hitl", "up")


def test_it_refuses_where_there_is_a_real_database(settings: Any, db: None, monkeypatch: Any) -> None:
    settings.CELERY_BROKER_URL = "memory://localhost"
    monkeypatch.setattr(connection, "vendor", "postgresql")
    with pytest.raises(CommandError, match="unset DATABASE_URL and REDIS_URL"):
        call_command("demo")
    monkeypatch.undo()
    assert not get_user_model().objects.filter(username="dana").exists()


@pytest.mark.sqlite
def test_it_walks_one_run_through(tmp_path: Path) -> None:
    env = {**os.environ, "HITL_DATA_DIR": str(tmp_path)}
    for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "HITL_TEST_BACKEND"):
        env.pop(name, None)
    command = [sys.executable, "-W", "error", "manage.py", "demo", "--once"]
    for _ in range(2):
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The API answered: approved." in done.stdout
        assert "Dana Ortiz approved Refund 250 to order A-17 with changes" in done.stdout
        assert "'refunded': 200" in done.stdout
        assert re.search(r"^audit: verified \(\d+ records\)$", done.stdout, re.MULTILINE)
        assert "Traceback" not in done.stderr
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0
