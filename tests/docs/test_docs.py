"""What the documentation shows is what the code does: its blocks compile, its workflows run, its names exist.

A block below `<!-- fragment -->` is a piece of a file: it must compile. Every other block must run as it stands.
"""

from __future__ import annotations

import importlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from pydantic import BaseModel

from hitl.definition import registry

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"(?P<fragment><!-- fragment -->\n+)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: Path
    line: int
    kind: str
    text: str
    fragment: bool

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def read(page: Path) -> list[Block]:
    whole = page.read_text()
    return [
        Block(
            page, whole.count("\n", 0, found.start("kind")) + 1, found["kind"], found["text"], bool(found["fragment"])
        )
        for found in BLOCK.finditer(whole)
    ]


BLOCKS = [block for page in PAGES for block in read(page)]
PYTHON = [block for block in BLOCKS if block.kind == "python"]
COMPLETE = [block for block in PYTHON if not block.fragment]


def workflow_block(page: str, name: str) -> Block:
    return next(block for block in COMPLETE if block.name.startswith(page) and f'Workflow("{name}"' in block.text)


def run_block(block: Block) -> dict[str, Any]:
    """Execute a block as a module of its own; the caller has isolated the registry."""
    module = "docs_" + re.sub(r"\W", "_", block.name)
    names: dict[str, Any] = {"__name__": module}
    exec(compile(block.text, block.name, "exec", dont_inherit=True), names)  # as a reader's own file
    return names


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of the project are registered already and share names with the pages."""
    monkeypatch.setattr(registry, "_workflows", {})


def load(page: str, name: str) -> Any:
    run_block(workflow_block(page, name))
    return registry.get(name)


def pending(run: Any) -> Any:
    from hitl.models import Approval

    return Approval.objects.get(run=run, status="pending")


def answer(run: Any, person: Any, verdict: str = "approve", **options: Any) -> None:
    from hitl import decisions

    approval = pending(run)
    decisions.decide(approval, actor=person, verdict=verdict, digest=approval.digest, **options)


# -- every block ----------------------------------------------------------------------------------


def test_there_are_blocks() -> None:
    assert len(COMPLETE) >= 6
    assert {block.page.name for block in COMPLETE} >= {"README.md", "quickstart.md", "gate-a-step.md"}


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.name)
def test_python_compiles(block: Block) -> None:
    compile(block.text, block.name, "exec")


@pytest.mark.parametrize("block", COMPLETE, ids=lambda block: block.name)
def test_complete_blocks_run_and_their_workflows_are_sound(block: Block, empty_registry: None) -> None:
    with registry.isolated():
        run_block(block)
        for workflow in registry.registered():
            workflow.definition()


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.name)
def test_what_is_imported_from_hitl_exists(block: Block) -> None:
    for module, names in re.findall(r"^from (hitl[\w.]*) import (.+)$", block.text, re.MULTILINE):
        for name in names.split(","):
            assert hasattr(importlib.import_module(module), name.strip()), f"{module}.{name}"
    for name in re.findall(r"\bhitl\.(\w+)\(", block.text):
        assert hasattr(importlib.import_module("hitl"), name), name


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "yaml"], ids=lambda block: block.name)
def test_policies_are_valid(block: Block) -> None:
    from hitl.definition import PolicyDocument

    for document in yaml.safe_load_all(block.text):
        if isinstance(document, dict):  # a list holds cases, which test_policies checks against their policy
            PolicyDocument.read(document)


def commands() -> list[Any]:
    """Every `manage.py …` in a shell block; what other projects' commands would need is left out."""
    found = []
    for block in BLOCKS:
        if block.kind == "sh":
            lines = block.text.replace("\\\n", " ").splitlines()
            found += [
                pytest.param(match[1], id=f"{block.name} {match[1][:40]}")
                for line in lines
                if (match := re.search(r"manage\.py (hitl .+|demo.*)$", line))
            ]
    return found


@pytest.mark.parametrize("line", commands())
def test_commands_parse(line: str) -> None:
    from django.core.management import load_command_class

    words = shlex.split(re.sub(r" < \S+$", "", line), comments=True)
    parser = load_command_class("hitl", words[0]).create_parser("manage.py", words[0])
    parser.parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in target:
            name, _, anchor = target.partition("#")
            found = page.parent / name if name else page
            assert found.exists(), target
            assert not anchor or anchor in headings(found), target


def headings(page: Path) -> set[str]:
    """The anchors of a page, as MyST and GitHub make them of its headings."""
    lines = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_settings_that_are_named_exist(page: Path) -> None:
    from hitl.conf import DEFAULTS

    of_the_environment = set(re.findall(r'"(HITL_\w+)"', (ROOT / "project" / "settings.py").read_text()))
    of_compose = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    of_the_environment |= set(re.findall(r'environ.get\("(HITL_\w+)"', (ROOT / "hitl" / "crashpoints.py").read_text()))
    text = page.read_text()
    of_the_environment |= {
        name
        for file in (ROOT / "tests").rglob("*.py")
        for name in re.findall(r'environ.get\("(HITL_\w+)"', file.read_text())
    }
    client = (ROOT / "hitl" / "client").rglob("*.py")
    of_the_environment |= {name for file in client for name in re.findall(r'"(HITL_\w+)"', file.read_text())}
    of_the_shell = set(re.findall(r"\$\{?(HITL_\w+)", text))  # a reader's own variables
    named = set(re.findall(r"\bHITL_[A-Z_]+[A-Z]\b", text)) - of_the_shell
    assert named <= DEFAULTS.keys() | of_the_environment | of_compose


# -- the README -----------------------------------------------------------------------------------


def test_the_readme_has_its_two_commands() -> None:
    [setup] = [block.text for block in read(ROOT / "README.md") if block.kind == "sh"]
    assert setup.splitlines() == ["pip install uv && uv run manage.py demo", "uv run --group test pytest"]


def test_the_readmes_refund_is_the_example_that_ships(monkeypatch: pytest.MonkeyPatch) -> None:
    from project.examples.refund import refund

    monkeypatch.setattr(registry, "_workflows", {})
    assert load("README.md", "refund").definition().digest == refund.definition().digest


# -- the workflows, end to end -----------------------------------------------------------------------


def test_the_quickstart_ends_with_what_was_approved(
    empty_registry: None, alice: Any, bob: Any, work: Any, tmp_path: Path
) -> None:
    [policy] = [block.text for block in read(ROOT / "docs/quickstart.md") if block.kind == "yaml"]
    (tmp_path / "policies.yaml").write_text(policy)
    call_command("hitl", "policy", "apply", str(tmp_path / "policies.yaml"))
    payouts = load("docs/quickstart.md", "payout")

    run = payouts.start({"supplier": "Acme", "amount": 900}, requester=alice)
    work()
    answer(run, bob, "edit", args={"supplier": "Acme", "amount": 850}, comment="One box was missing.")
    work()

    run.refresh_from_db()
    assert run.status == "succeeded"
    assert (run.output["supplier"], run.output["paid"]) == ("Acme", 850)


def test_the_quickstarts_requester_may_not_decide(empty_registry: None, alice: Any, finance: Any, work: Any) -> None:
    from hitl.exceptions import NotAllowed
    from hitl.policies import apply_policy

    apply_policy({"name": "payouts", "default": {"stages": [{"reviewers": ["group:finance"]}]}}, actor=alice)
    alice.groups.add(finance)
    run = load("docs/quickstart.md", "payout").start({"supplier": "Acme", "amount": 900}, requester=alice)
    work()

    with pytest.raises(NotAllowed) as refused:
        answer(run, alice)
    assert refused.value.details["reason"] == "own_request"
    assert pending(run)


def test_the_readmes_refund_pays_what_was_approved(empty_registry: None, alice: Any, bob: Any, work: Any) -> None:
    from hitl.policies import apply_policy

    apply_policy({"name": "refunds", "default": {"stages": [{"reviewers": ["group:finance"]}]}}, actor=alice)
    run = load("README.md", "refund").start({"order_id": "A-17"}, requester=alice)
    work()
    answer(run, bob)
    work()

    run.refresh_from_db()
    assert run.output["refunded"] == 250


def test_gates_in_a_row_hand_on_what_was_edited(
    empty_registry: None, alice: Any, bob: Any, carol: Any, work: Any
) -> None:
    from django.contrib.auth.models import Group

    bob.groups.add(Group.objects.create(name="legal"))
    carol.groups.add(Group.objects.create(name="board"))
    run = load("docs/howto/gate-a-step.md", "sign-contract").start(requester=alice)
    work()
    answer(run, bob, "edit", args={"party": "Acme Ltd", "value": 90_000})
    work()
    assert pending(run).args["party"] == "Acme Ltd"
    assert pending(run).risk == "high"
    answer(run, carol)
    work()

    run.refresh_from_db()
    assert run.output == {"signed": "Acme Ltd", "legal": ["bob"]}


def test_two_of_the_release_group_deploy(empty_registry: None, alice: Any, bob: Any, carol: Any, work: Any) -> None:
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group

    group = Group.objects.create(name="release")
    group.user_set.add(bob, carol)
    get_user_model().objects.create(username="dana")
    run = load("docs/howto/gate-a-step.md", "deploy").start({"service": "shop", "version": "4.2"}, requester=alice)
    work()
    answer(run, bob)
    work()
    assert pending(run)
    answer(run, carol)
    work()

    run.refresh_from_db()
    assert run.output == {"rolled_out": "4.2", "approved_by": ["bob", "carol"]}


@pytest.mark.parametrize(("verdict", "expected"), [("approve", "sent"), ("reject", "why")])
def test_asking_inside_a_step(
    verdict: str, expected: str, empty_registry: None, alice: Any, bob: Any, work: Any
) -> None:
    from django.contrib.auth.models import Group

    bob.groups.add(Group.objects.create(name="treasury"))
    run = load("docs/howto/ask-inside-a-step.md", "wire-transfer").start(
        {"iban": "DE02", "amount": 70}, requester=alice
    )
    work()
    answer(run, bob, verdict, comment="as agreed", phrase="SEND 70")
    work()

    run.refresh_from_db()
    assert run.status == "succeeded"
    assert run.output[expected] == {"sent": 70, "why": "as agreed"}[expected]


def test_a_signal_is_waited_for(empty_registry: None, alice: Any, work: Any, pass_time: Any) -> None:
    from datetime import timedelta

    from hitl import engine

    run = load("docs/howto/wait-for-a-signal.md", "order").start({"sku": "B-2"}, requester=alice)
    work()
    engine.signal(run, "parcel-scanned", {"depot": "north"}, sender=alice)
    work()
    pass_time(timedelta(minutes=11))
    engine.sweep()
    work()

    run.refresh_from_db()
    assert run.output == {"delivered": True, "depot": "north", "hint": "none"}


def test_a_timeout_is_not_an_answer(empty_registry: None, alice: Any, work: Any, pass_time: Any) -> None:
    from datetime import timedelta

    from hitl import engine

    run = load("docs/howto/wait-for-a-signal.md", "order").start({"sku": "B-2"}, requester=alice)
    work()
    pass_time(timedelta(days=4))
    engine.sweep()
    work()

    run.refresh_from_db()
    assert run.output == {"delivered": False}


def test_steps_without_a_gate_run_through(empty_registry: None, alice: Any, work: Any) -> None:
    run = load("docs/howto/gate-a-step.md", "report").start({"source": "s3"}, requester=alice)
    work()

    run.refresh_from_db()
    assert run.output == {"summary": "a summary of s3"}


def test_failing_at_once(empty_registry: None, alice: Any, work: Any) -> None:
    run = load("docs/howto/gate-a-step.md", "report").start({}, requester=alice)
    work()

    run.refresh_from_db()
    assert (run.status, run.failure_code) == ("failed", "step_failed")


def test_actions_in_the_pages_are_typed(empty_registry: None) -> None:
    """An action's model in a page is found again, so that `ctx.action` is typed as the page says."""
    names = run_block(workflow_block("docs/quickstart.md", "payout"))
    assert issubclass(names["Payout"], BaseModel)
