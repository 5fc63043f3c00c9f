"""The production shape: docker-compose.yml, Dockerfile and .env.example say what the code needs, and no secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN_IMAGE = COMPOSE["x-hitl"]["image"]
OFFICIAL = re.compile(r"(postgres|redis):\d+")
VARIABLE = re.compile(r"\$\{(\w+)(:\?|:-)?([^}]*)\}")


@pytest.fixture(params=sorted(SERVICES))
def service(request: pytest.FixtureRequest) -> dict[str, Any]:
    return SERVICES[request.param]


def queues(service: dict[str, Any]) -> set[str]:
    command = service.get("command", [])
    return set(command[command.index("-Q") + 1].split(",")) if "-Q" in command else set()


def test_all_parts_are_there() -> None:
    assert set(SERVICES) == {
        "db", "redis", "migrate", "web", "waiting", "worker", "caller", "sweeper", "beat", "mail",
    }  # fmt: skip


def test_nobody_is_root(service: dict[str, Any]) -> None:
    """Official database images drop root themselves; everything else names another user."""
    user = str(service.get("user", ""))
    assert OFFICIAL.fullmatch(service["image"]) or (user and user.split(":")[0] not in ("0", "root"))


def test_the_image_is_not_root_either() -> None:
    last_stage = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert re.search(r"^USER (?!0$|root$)\S+$", last_stage, re.MULTILINE)


def test_health_is_checked(service: dict[str, Any]) -> None:
    one_shot = service.get("restart") == "no"
    assert one_shot or service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_what_stops_comes_back(service: dict[str, Any]) -> None:
    assert service["restart"] == ("no" if "migrate" in service.get("command", []) else "unless-stopped")


def test_images_are_pinned_to_a_major_version(service: dict[str, Any]) -> None:
    tag = service["image"].rpartition(":")[2]
    assert service["image"] == OWN_IMAGE or re.match(r"v?\d+", tag)


def test_the_dockerfile_pins_its_base() -> None:
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert bases
    assert all(re.search(r":\d", base) for base in bases)


def test_our_own_processes_write_nothing_but_temporary_files() -> None:
    own = [service for service in SERVICES.values() if service["image"] == OWN_IMAGE]
    assert own
    assert all(service["read_only"] and service["cap_drop"] == ["ALL"] for service in own)


def test_no_secret_is_written_down(service: dict[str, Any]) -> None:
    for name, value in service.get("environment", {}).items():
        if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
            assert VARIABLE.fullmatch(value), name
        if "://" in str(value):
            password = re.search(r"://[^/@]*:([^/@]*)@", VARIABLE.sub(r"${\1}", value))
            assert password is None or password[1].startswith("${"), name


def test_secrets_are_required() -> None:
    modes = {(name, mode) for name, mode, _ in VARIABLE.findall(TEXT)}
    assert ("SECRET_KEY", ":?") in modes
    assert ("POSTGRES_PASSWORD", ":?") in modes
    assert not {("SECRET_KEY", ":-"), ("POSTGRES_PASSWORD", ":-")} & modes


def test_the_example_names_every_variable_and_no_secret() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    asked = {name for name, _, _ in VARIABLE.findall(TEXT)} - {"HITL_PUBLISH"}
    assert asked == set(given)
    assert given["SECRET_KEY"] == given["POSTGRES_PASSWORD"] == ""


def test_the_settings_read_every_variable() -> None:
    """A misspelt variable would be ignored silently."""
    settings = (ROOT / "project" / "settings.py").read_text()
    celery_reads = {"REMAP_SIGTERM"}
    for name in SERVICES["worker"]["environment"]:
        assert f'"{name}"' in settings or name in celery_reads, name


def test_workers_hear_every_queue_and_no_other() -> None:
    from hitl.definition import registry

    used = {step.queue for workflow in registry.registered() for step in workflow.definition().steps}
    heard = set().union(*map(queues, SERVICES.values()))
    assert heard == used | {"default", "hooks", "notices", "sweep"}


def test_the_sweep_has_a_slot_of_its_own() -> None:
    assert queues(SERVICES["sweeper"]) == {"sweep"}
    assert "sweep" not in queues(SERVICES["worker"])


def test_no_step_waits_for_servers_that_hang_or_a_storm_of_notices() -> None:
    others = set().union(*(queues(service) for name, service in SERVICES.items() if name != "caller"))
    assert queues(SERVICES["caller"]) == {"hooks", "notices"}
    assert others.isdisjoint({"hooks", "notices"})


def test_programs_that_hang_leave_slots_for_mail() -> None:
    """One process calls programs once at a time: in threads the other slots are left."""
    command = SERVICES["caller"]["command"]
    assert "--pool=threads" in command
    assert "--concurrency=4" in command


def test_the_sweeps_row_uses_the_sweepers_queue(db: None) -> None:
    from django_celery_beat.models import PeriodicTask

    from hitl import schedule

    schedule.ensure_sweep()
    assert PeriodicTask.objects.get(name=schedule.NAME).queue in queues(SERVICES["sweeper"])


def test_workers_let_steps_end_before_they_are_killed() -> None:
    from django.conf import settings

    for name in ("worker", "caller", "sweeper"):
        assert SERVICES[name]["environment"]["REMAP_SIGTERM"] == "SIGQUIT"
        assert int(SERVICES[name]["stop_grace_period"].rstrip("s")) > settings.CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT


def test_redis_loses_no_bell_for_want_of_memory() -> None:
    command = SERVICES["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_nothing_starts_before_the_migrations() -> None:
    for name in ("web", "waiting", "worker", "caller", "sweeper", "beat"):
        assert SERVICES[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_health_addresses_exist() -> None:
    from django.urls import resolve

    paths = re.findall(r"http://(?:127\.0\.0\.1|web):8000(/\w+)", TEXT)
    assert set(paths) == {"/healthz", "/readyz"}
    for path in paths:
        resolve(path)


def test_constraints_are_names_and_versions_only() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert lines
    assert all(re.fullmatch(r"[a-z0-9-]+==[\w.]+", line) for line in lines)
