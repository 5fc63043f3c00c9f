"""The cast, the databases, and how one command runs everything on both of them.

`pytest` runs the suite on SQLite and on PostgreSQL and Redis at the same time, each in a process of its own, since
Django's settings are read once; what the second said is printed when both are done. `--backend=sqlite` or
`--backend=postgres` runs one. Where both run, what is not about the database (what needs none, pages, clients, a whole
product) runs beside one of them. What the machine lacks is named; in CI (`CI=true`) that is a failure.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import pytest
from pydantic import BaseModel

from tests import servers

BACKENDS = ("sqlite", "postgres")
_CHILD = "HITL_TEST_BACKEND"
_SHARED = "HITL_TEST_SHARED"
_ONCE = frozenset({"adapters", "admin", "browser", "client", "compat", "definition", "docs", "hostile", "house", "mcp"})
_ON_SQLITE = 7  # of ten: PostgreSQL has the races and the crashes besides


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", choices=(*BACKENDS, "both"), default="both", help="which database to run on")


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """In the process the user started: run one child a backend and report the worst exit code."""
    quiet = config.option.help or config.option.version or config.option.collectonly
    if os.environ.get(_CHILD) or quiet or hasattr(config, "workerinput"):
        return None
    if config.option.backend != "both":
        return _run_child(config.option.backend, config)
    if config.option.usepdb or config.option.capture == "no":  # somebody looks on: one after the other
        return _worst([_run_child(backend, config) for backend in BACKENDS])
    os.environ[_SHARED] = "1"
    with tempfile.TemporaryFile("w+") as later, ThreadPoolExecutor(1) as pool:
        second = pool.submit(_run_child, BACKENDS[1], config, later)
        codes = [_run_child(BACKENDS[0], config), second.result()]
        later.seek(0)
        print(later.read(), flush=True)
    return _worst(codes)


def _worst(codes: list[int]) -> int:
    return max(codes, key=lambda code: (code not in (0, 5), code))


def _run_child(backend: str, config: pytest.Config, output: IO[str] | None = None) -> int:
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hitl-test-"))
        (Path(folder) / "static").mkdir()
        env = {**os.environ, _CHILD: backend, "HITL_DATA_DIR": folder, "SECRET_KEY": "only-for-tests"}
        for name in ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "EMAIL_URL", "HITL_BASE_URL"):
            env.pop(name, None)
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # hundreds of processes are started: what they load is compiled once
        if backend == "postgres":
            missing = [
                name
                for name, found in (("PostgreSQL", servers.postgres_bin()), ("Redis", servers.redis_bin()))
                if not found
            ]
            if missing:
                print(f"\nhitl tests: skipped on PostgreSQL and Redis: {' and '.join(missing)} not found", flush=True)
                return 1 if os.environ.get("CI") else 0
            postgres = stack.enter_context(servers.postgres(fsync=False))
            redis = stack.enter_context(servers.redis())
            env |= {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
        command = [sys.executable, "-m", "pytest", *config.invocation_params.args]
        return subprocess.call(command, env=env, cwd=config.rootpath, stdout=output, stderr=output)


def pytest_report_header(config: pytest.Config) -> str:
    backend = os.environ.get(_CHILD, "none")
    words = {"sqlite": "SQLite and the in-memory broker", "postgres": "PostgreSQL, Redis and real Celery workers"}
    browser = "Chromium" if servers.chromium_bin() else "no Chromium: browser tests are skipped"
    return f"hitl tests: on {words.get(backend, 'nothing')}; {browser}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, not skip, what is about the other backend; skip by name what the machine lacks."""
    backend = os.environ.get(_CHILD)
    kept = [item for item in items if backend == "postgres" or not {"postgres", "redis"} & _marks(item)]
    kept = [item for item in kept if backend == "sqlite" or "sqlite" not in _marks(item)]
    if os.environ.get(_SHARED):  # both run: what is not about the database need not run beside each of them
        kept = [item for item in kept if not _is_once(item) or _place(item) == backend]
    left_out = [item for item in items if item not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    if not servers.chromium_bin():
        for item in items:
            if "browser" in _marks(item):
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


def pytest_collection_finish() -> None:
    """What is loaded by now stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


def _fixtures(item: pytest.Item) -> list[str]:
    return list(getattr(item, "fixturenames", ()))


def _has_database(item: pytest.Item) -> bool:
    return "django_db" in _marks(item) or not {"db", "transactional_db"}.isdisjoint(_fixtures(item))


def _is_once(item: pytest.Item) -> bool:
    """Whether it needs no database, as what drives a whole product of its own, or is about pages and clients."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    return not set(BACKENDS) & _marks(item) and (folder in _ONCE or not _has_database(item))


def _place(item: pytest.Item) -> str:
    """The backend beside which it runs where both do: pages meet both, one case here and one there, and what a file's
    tests share is made once."""
    name = item.nodeid if _has_database(item) else item.path.name
    return BACKENDS[zlib.crc32(name.encode()) % 10 >= _ON_SQLITE]


def _marks(item: pytest.Item) -> set[str]:
    return {mark.name for mark in item.iter_markers()}


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skip is a failure: nothing may be left out for want of a server."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """SQLite's test database is a file: threads and subprocesses must see it."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    if "sqlite3" in database["ENGINE"]:
        folder = Path(os.environ["HITL_DATA_DIR"])
        database.setdefault("TEST", {})["NAME"] = str(
            folder / f"test-{os.environ.get('PYTEST_XDIST_WORKER', '')}.sqlite3"
        )


@pytest.fixture(scope="session", autouse=True)
def _cheap() -> Iterator[None]:
    """Passwords cost little to hash, and no client of Django's looks through all static files before its first page."""
    from django.test import override_settings

    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers, WHITENOISE_AUTOREFRESH=True):
        yield


@pytest.fixture(scope="session", autouse=True)
def _flush_may_empty_the_audit() -> Iterator[None]:
    """Transactional tests flush tables; audit tables refuse that, so the triggers are lifted for the moment."""
    from hitl.testing import audit_may_be_flushed

    with audit_may_be_flushed():
        yield


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Every test begins with nothing remembered in the process, and may define workflows of its own."""
    from django.core.cache import cache

    from hitl.definition import registry
    from hitl.testing import fresh

    cache.clear()
    with fresh(), registry.isolated():
        yield


@pytest.fixture
def whole_house(db: None) -> Iterator[None]:
    """After the test every invariant holds; `pytestmark = pytest.mark.usefixtures("whole_house")` asks for it."""
    from hitl import invariants

    yield
    assert [str(violation) for violation in invariants.check()] == []


# -- the cast: alice asks, bob and carol review, mallory may not, root is superuser, an agent has a key ----


def _user(username: str, **options: Any) -> Any:
    from django.contrib.auth import get_user_model

    user = get_user_model()(username=username, email=f"{username}@example.com", **options)
    user.set_unusable_password()
    user.save()
    return user


@pytest.fixture
def finance(db: None) -> Any:
    """The group that reviews."""
    from django.contrib.auth.models import Group

    return Group.objects.get_or_create(name="finance")[0]


@pytest.fixture
def alice(db: None) -> Any:
    """Asks."""
    return _user("alice")


@pytest.fixture
def bob(finance: Any) -> Any:
    """Reviews."""
    user = _user("bob")
    user.groups.add(finance)
    return user


@pytest.fixture
def carol(finance: Any) -> Any:
    """Reviews too."""
    user = _user("carol")
    user.groups.add(finance)
    return user


@pytest.fixture
def mallory(db: None) -> Any:
    """May not."""
    return _user("mallory")


@pytest.fixture
def root(db: None) -> Any:
    """Superuser and staff, and no candidate."""
    return _user("root", is_superuser=True, is_staff=True)


@pytest.fixture
def people(db: None) -> Callable[..., Any]:
    """Somebody more, in these groups."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    def make(name: str, *groups: str, **options: Any) -> Any:
        user = get_user_model().objects.create_user(name, f"{name}@example.com", **options)
        user.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
        return user

    return make


@pytest.fixture
def agent_key(alice: Any) -> Any:
    """Alice's agent: its key and token."""
    from hitl.policies import create_key

    scopes = ["runs:start", "runs:read", "approvals:read", "signals:send"]
    return create_key("refund-bot", owner=alice, scopes=scopes, actor=alice)


@pytest.fixture
def work() -> Callable[..., int]:
    """Do what workers would, until nothing is ready."""
    from hitl import engine

    def drain(queue: str = "default") -> int:
        return engine.drain(queue)

    return drain


@pytest.fixture
def pass_time() -> Callable[[timedelta], None]:
    """Move Python's and the database's clock."""
    from hitl import clock

    return clock.move


@pytest.fixture
def refund(finance: Any) -> Any:
    """The refund workflow with inline reviewers: draft → review → pay. `refund.paid` lists what was paid."""
    from hitl import Action, Workflow

    flow = Workflow("test-refund", title="Refund an order")
    paid: list[Any] = []

    @flow.step
    def draft(ctx: Any) -> Action:
        order = (ctx.input or {}).get("order_id", "A-17")
        return Action(
            Refund(order_id=order, amount=250), title=f"Refund 250 to order {order}", impact="Money leaves at once"
        )

    review = flow.approval("review", after=draft, reviewers=["group:finance"], timeout=timedelta(hours=4))

    @flow.step(after=review)
    def pay(ctx: Any) -> Any:
        paid.append((ctx.action.order_id, ctx.action.amount))
        return {"paid": ctx.action.amount}

    flow.paid = paid  # type: ignore[attr-defined]

    return flow


class Refund(BaseModel):
    """What the refund workflow of the tests pays back."""

    order_id: str
    amount: int


@pytest.fixture
def waiting(refund: Any, alice: Any, bob: Any, carol: Any, work: Any) -> Any:
    """An approval that waits for bob or carol, asked by alice."""
    from hitl.models import Approval

    run = refund.start({"order_id": "A-17"}, requester=alice)
    work()
    return Approval.objects.get(run=run)
