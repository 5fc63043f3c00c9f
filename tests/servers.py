"""Throwaway servers on free ports, from whatever binaries the machine has. Each ends with its context."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_bin() -> Path | None:
    """Where PostgreSQL's server programs are, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]), reverse=True)
    on_path = shutil.which("postgres")
    return found[0].parent if found else Path(on_path).parent if on_path else None


def redis_bin() -> str | None:
    """Where Redis' server is, or None."""
    return shutil.which("redis-server")


def chromium_bin() -> str | None:
    """Where Chromium is, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Postgres:
    """A PostgreSQL that can be stopped at once and started again on the same data."""

    def __init__(self, folder: Path) -> None:
        binaries = postgres_bin()
        assert binaries is not None
        self.bin, self.folder, self.port = binaries, folder, free_port()
        self.data = folder / "data"
        self.url = f"postgres://hitl@127.0.0.1:{self.port}/hitl"
        # The server refuses to run as root; hand the folder to an unprivileged account then.
        self._as = {}
        if os.geteuid() == 0:
            account = next(pwd.getpwnam(name) for name in ("postgres", "nobody"))
            os.chown(folder, account.pw_uid, account.pw_gid)
            self._as = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

    def _run(self, *command: str) -> None:
        subprocess.run(
            command,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            **self._as,
        )

    def create(self, *, fsync: bool = True) -> None:
        """Make the cluster, start it, and make the database; without `fsync` it lives through all but a power cut."""
        initdb = str(self.bin / "initdb")
        self._run(initdb, "-D", str(self.data), "-U", "hitl", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(
                f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n"
                "shared_buffers = 256MB\nmax_connections = 200\nsynchronous_commit = on\n"
                f"fsync = {fsync}\nfull_page_writes = {fsync}\n"
                "log_min_messages = fatal\nshared_preload_libraries = 'pg_stat_statements'\n"
                "pg_stat_statements.track = top\n"
            )
        self.start()
        self._run(str(self.bin / "createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "hitl", "hitl")

    def start(self) -> None:
        """Start and wait until it answers."""
        log = str(self.folder / "log")
        self._run(str(self.bin / "pg_ctl"), "-D", str(self.data), "-l", log, "-w", "-t", "60", "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop; `immediate` is as if the power went."""
        self._run(str(self.bin / "pg_ctl"), "-D", str(self.data), "-m", mode, "-w", "stop")


class Redis:
    """A Redis without persistence, that can be killed and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it answers."""
        binary = redis_bin()
        assert binary is not None
        self.process = subprocess.Popen(
            [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
        )
        wait_for_port(self.port)

    def kill(self) -> None:
        """As by kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def wait_for_port(port: int, seconds: float = 30) -> None:
    """Wait until somebody listens."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nobody listens on port {port}")


@contextmanager
def postgres(*, fsync: bool = True) -> Iterator[Postgres]:
    """A running PostgreSQL with an empty database `hitl`."""
    folder = Path(tempfile.mkdtemp(prefix="hitl-pg-"))
    server = Postgres(folder)
    try:
        server.create(fsync=fsync)
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):  # its test may have stopped it
            server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis() -> Iterator[Redis]:
    """A running Redis."""
    folder = Path(tempfile.mkdtemp(prefix="hitl-redis-"))
    server = Redis(folder)
    try:
        server.start()
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
