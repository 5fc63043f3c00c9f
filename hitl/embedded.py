"""Door of the embedded default: web, worker and beat in one process, with SQLite and a broker in memory.

The broker dies with the process, and that is fine: rows are the truth, the sweep at the start and every two seconds
rings again. A watchdog replaces a worker that has stopped working.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from celery import current_app
from celery.beat import EmbeddedService
from celery.worker import WorkController
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection

from hitl import engine
from hitl.conf import DEFAULTS, conf
from hitl.definition import registry

log = logging.getLogger(__name__)

_THREADS = 4
_SICK = timedelta(seconds=15)
_LOOK = 5.0


class _Worker(WorkController):
    """Celery's worker without the command line around it, which wants the main thread's signals."""

    def __init__(self, **options: Any) -> None:
        self.ready = threading.Event()
        super().__init__(**options)

    def on_consumer_ready(self, consumer: Any) -> None:
        """Called when it takes messages."""
        self.ready.set()


class Machinery:
    """A worker, beat, and the watchdog over both."""

    def __init__(self) -> None:
        self._worker = self._new_worker()
        self._beat: Any = EmbeddedService(
            _app(), max_interval=1, thread=True, scheduler_cls="django_celery_beat.schedulers:DatabaseScheduler"
        )
        self._stop = threading.Event()
        self._watchdog = threading.Thread(target=self._watch, name="hitl-watchdog", daemon=True)

    def start(self) -> None:
        """Sweep once, then run worker, beat and watchdog in threads; returns when the worker takes messages."""
        engine.sweep()
        self._beat.daemon = True
        self._beat.start()
        self._watchdog.start()
        if not self._worker.ready.wait(30):
            raise RuntimeError("the embedded worker did not start within 30 s; see the log above")

    def stop(self) -> None:
        """Let go: steps that run are taken up again by whoever comes next."""
        self._stop.set()
        self._beat.stop()
        self._worker.stop()

    def _new_worker(self) -> _Worker:
        worker = _Worker(
            app=_app(),
            hostname="embedded@localhost",
            pool_cls="threads",
            concurrency=_THREADS,
            queues=queues(),
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
        threading.Thread(target=worker.start, name="hitl-worker", daemon=True).start()
        return worker

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK):
            try:
                age = engine.last_sweep_age()
            finally:
                connection.close()
            if age is not None and age > _SICK:
                log.error("no sweep for %s: replacing the worker", age)
                old, self._worker = self._worker, self._new_worker()
                old.stop()
                engine.sweep()


def queues() -> list[str]:
    """Every queue any registered workflow uses, and our own three."""
    steps = [step for workflow in registry.registered() for step in workflow.definition().steps]
    used = {step.queue for step in steps if not step.external}
    return sorted(used | {"default", "hooks", "notices", "sweep"})


@contextmanager
def machinery() -> Iterator[Machinery]:
    """Worker and beat, running inside the block."""
    machine = Machinery()
    machine.start()
    try:
        yield machine
    finally:
        machine.stop()


@contextmanager
def server(host: str, port: int) -> Iterator[int]:
    """The web server in a thread, inside the block; yields the port it listens on."""
    web = _create(host, port)
    thread = threading.Thread(target=web.run, name="hitl-web", daemon=True)
    thread.start()
    try:
        yield int(web.effective_port)
    finally:
        web.close()
        thread.join(5)


def serve(host: str, port: int) -> None:
    """Serve until the process is told to stop (Ctrl-C or SIGTERM)."""
    signal.signal(signal.SIGTERM, _interrupt)
    if DEFAULTS["HITL_BASE_URL"] == conf.BASE_URL:  # nobody said how links begin, so they lead here
        settings.HITL_BASE_URL = f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '::') else host}:{port}"  # noqa: S104
    with machinery():
        web = _create(host, port)
        try:
            web.run()
        except (KeyboardInterrupt, SystemExit):
            pass
        finally:
            web.close()


def _create(host: str, port: int) -> Any:
    from waitress.server import create_server

    return create_server(get_wsgi_application(), host=host, port=port, threads=8, ident="hitl")


def _interrupt(signum: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _app() -> Any:
    """The app itself: threads must not look it up in a context of their own."""
    current: Any = current_app
    return current._get_current_object()
