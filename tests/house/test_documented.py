"""The reference is complete and true: whatever the code has, `docs/reference/` names, and names nothing else."""

from __future__ import annotations

import ast
import inspect
import re
from datetime import timedelta
from typing import Any

import pytest

import hitl
from hitl import exceptions, states
from hitl.api import problems, urls
from hitl.audit.actions import SENTENCES
from hitl.conf import DEFAULTS
from hitl.decisions.bulk import WHY
from hitl.definition import Workflow, outcomes
from hitl.definition.gates import gate_spec
from hitl.engine.context import Context
from hitl.exceptions import HitlError
from hitl.models import Run, Step
from hitl.policies import SCOPES
from hitl.policies.eligibility import REASONS
from tests.house.commands import hitl_commands
from tests.house.source import ROOT, modules

DOCS = ROOT / "docs" / "reference"
# What happens inside a handler or at start-up is no answer of the API.
NOT_OF_THE_API = {
    "invalid_workflow",
    "duplicate_name",
    "pause_swallowed",
    "run_busy",
    "signal_timeout",
    "answer_timeout",
    "run_failed",
    "invalid_plan",
    "max_revisions",
    "step_failed",
}


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text()


def section(text: str, heading: str) -> str:
    """What stands under one heading, with the sections inside it; fails where there is none."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.M)
    assert found is not None, f"there is no heading {heading!r}"
    level = len(found[1])
    return re.split(rf"^#{{1,{level}}} ", text[found.end() :], maxsplit=1, flags=re.M)[0]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of all tables whose first cell is one word of code: the other cells by that word."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and (name := re.fullmatch(r"`([^`]+)`", cells[0])):
            assert name[1] not in found, f"{name[1]} stands twice"
            found[name[1]] = cells[1:]
    return found


def told(default: Any) -> str:
    """A default as people read it."""
    if isinstance(default, timedelta):
        hours, seconds = divmod(int(default.total_seconds()), 3600)
        count, unit = (hours, "hour") if hours else (seconds, "second")
        return f"{count} {unit}" + ("" if count == 1 else "s")
    return {"None": "none", "True": "on", "False": "off"}.get(str(default), str(default))


def errors() -> dict[str, type[HitlError]]:
    """Every error class by its code."""
    found = [value for value in vars(exceptions).values() if isinstance(value, type) and issubclass(value, HitlError)]
    assert len({error.code for error in found}) == len(found)
    return {error.code: error for error in found}


# -- settings -----------------------------------------------------------------------------------------


def test_every_setting_is_documented_with_its_default() -> None:
    documented = rows(page("settings").split("## Environment variables")[0])
    assert documented.keys() == DEFAULTS.keys()
    wrong = [name for name, default in DEFAULTS.items() if told(default) not in documented[name][0].strip("`")]
    assert wrong == []
    assert all(len(cells[1]) > 10 for cells in documented.values())


def test_every_environment_variable_is_documented() -> None:
    source = (ROOT / "project" / "settings.py").read_text()
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))
    assert "DATABASE_URL" in read
    assert rows(section(page("settings"), "Environment variables of the project")).keys() == read


def test_what_only_tests_set_is_named() -> None:
    names = {name for source in modules().values() for name in re.findall(r'environ\.get\("(\w+)"', source)}
    assert {name for name in names if f"`{name}`" not in page("settings")} == set()


# -- statuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heading", "choices", "moves"),
    [
        ("Run", states.RunStatus, states.RUN_MOVES),
        ("Step", states.StepStatus, states.STEP_MOVES),
        ("Approval", states.ApprovalStatus, states.APPROVAL_MOVES),
        ("Notification", states.NotificationStatus, states.NOTIFICATION_MOVES),
    ],
)
def test_every_status_is_documented_with_its_moves(heading: str, choices: Any, moves: states.Moves) -> None:
    documented = rows(section(page("statuses"), heading))
    assert list(documented) == choices.values
    for status, (meaning, targets) in documented.items():
        assert meaning.endswith(".")
        assert set(re.findall(r"`(\w+)`", targets)) == moves.get(status, set()), status
        assert (targets == "end") is (status not in moves), status


def test_every_verdict_is_documented() -> None:
    assert list(rows(section(page("statuses"), "Verdict"))) == states.Verdict.values


# -- the API ------------------------------------------------------------------------------------------


def endpoints() -> dict[str, str | None]:
    """Method and address of every endpoint with the scope a key needs."""
    found: dict[str, str | None] = {}
    for pattern in urls.urlpatterns:
        address = re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern)).replace("{pk}", "{id}")
        view = pattern.callback.view_class
        for method in ("get", "post", "put", "patch", "delete"):
            if hasattr(view, method):
                found[f"{method.upper()} /api/v1/{address}"] = view.scopes.get(method.upper())
    return found


def test_every_endpoint_is_documented_with_its_scope() -> None:
    documented = re.findall(r"^### `([A-Z]+ /api/v1/\S*)`$", page("api"), re.M)
    assert sorted(documented) == sorted(endpoints())
    for endpoint, scope in endpoints().items():
        text = section(page("api"), f"`{endpoint}`")
        assert scope is None or f"`{scope}`" in text, endpoint
        assert re.search(r"\b20[0-9]\b", text), f"{endpoint} does not say what it answers"


def test_the_problems_an_endpoint_names_exist() -> None:
    known = errors().keys() | rows(section(page("errors"), "Codes of the API itself")).keys()
    known |= rows(section(page("errors"), "Reasons of `not_allowed`")).keys()
    for endpoint in endpoints():
        _, _, told_problems = section(page("api"), f"`{endpoint}`").partition("Problems:")
        assert set(re.findall(r"`(\w+)`", told_problems.split("\n\n")[0])) <= known, endpoint


def test_every_scope_is_documented() -> None:
    assert {scope for scope in SCOPES if f"`{scope}`" not in section(page("api"), "Scopes")} == set()
    assert {scope for scope in endpoints().values() if scope and scope not in SCOPES} == set()


# -- commands -----------------------------------------------------------------------------------------


def test_every_command_is_documented_with_its_options() -> None:
    documented = re.findall(r"^## `manage\.py ([\w -]+)`$", page("commands"), re.M)
    assert sorted(documented) == sorted(hitl_commands())
    for name, options in hitl_commands().items():
        told_options = rows(section(page("commands"), f"`manage.py {name}`")).keys()
        assert told_options == options - {"--json"}, name
        assert name == "demo" or "--json" in options


# -- audit --------------------------------------------------------------------------------------------


def test_every_audit_action_is_documented_with_its_sentence() -> None:
    documented = rows(section(page("audit"), "Actions"))
    assert {name: cells[0] for name, cells in documented.items()} == SENTENCES


def recorded(source: str) -> set[str]:
    """The names of audit actions a module mentions; the ends of f-strings are left open."""
    names = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    return {name for name in names if isinstance(name, str) and re.fullmatch(r"hitl\.[a-z]+\.[a-z]*", name)}


def test_every_recorded_action_has_a_sentence_and_every_sentence_an_action() -> None:
    found = {
        name
        for path, source in modules().items()
        if path.startswith(("engine/", "decisions/", "policies/", "notifications/"))
        or path in ("progress.py", "transitions.py")
        for name in recorded(source)
    }
    begun = {name for name in found if name.endswith(".")}
    kinds = {name.split(".")[1] for name in SENTENCES}
    whole = {name for name in found - begun if name.split(".")[1] in kinds}
    assert whole - SENTENCES.keys() == set()
    assert all(any(name.startswith(start) for name in SENTENCES) for start in begun)


# -- errors -------------------------------------------------------------------------------------------


def test_every_error_code_is_documented_with_its_http_status() -> None:
    documented = rows(section(page("errors"), "Error codes"))
    assert documented.keys() == errors().keys()
    for code, (http, meaning, advice) in documented.items():
        made = errors()[code].__new__(errors()[code])
        expected = "none" if code in NOT_OF_THE_API else str(problems._status(made))
        assert (code, http) == (code, expected)
        assert meaning.endswith(".")
        assert advice.endswith(".")


def test_every_reason_of_a_refusal_is_documented() -> None:
    documented = rows(section(page("errors"), "Reasons of `not_allowed`"))
    raised = {
        keyword.value.value
        for source in modules().values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "NotAllowed"
        for keyword in node.keywords
        if keyword.arg == "reason" and isinstance(keyword.value, ast.Constant)
    }
    assert documented.keys() == raised | REASONS.keys()
    assert {reason: documented[reason][0] for reason in REASONS} == REASONS


def test_every_reason_of_the_preflight_is_documented() -> None:
    documented = rows(section(page("errors"), "Reasons of the pre-flight"))
    assert {reason: cells[0] for reason, cells in documented.items()} == WHY


def test_every_failure_code_is_documented() -> None:
    found: set[str] = set()
    for source in modules().values():
        for node in ast.walk(ast.parse(source)):
            name = getattr(getattr(node, "func", None), "attr", getattr(getattr(node, "func", None), "id", ""))
            if isinstance(node, ast.Call) and name in ("finish", "fail_step", "_refuse"):
                given = [*node.args[2:3], *(k.value for k in node.keywords if k.arg == "code")]
                found |= {v.value for v in given if isinstance(v, ast.Constant) and isinstance(v.value, str)}
    documented = rows(section(page("errors"), "Failure codes of runs and steps")).keys()
    assert found
    assert found - documented - errors().keys() == set()


# -- what authors write -------------------------------------------------------------------------------


def parameters(function: Any, *internal: str) -> set[str]:
    """The names of what a function takes, without what is passed on or is not for authors."""
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    found = {name for name, given in inspect.signature(function).parameters.items() if given.kind not in kinds}
    return found - {"self", "cls", *internal}


def public(cls: type) -> set[str]:
    return {name for name in dir(cls) if not name.startswith("_")}


def test_every_builder_method_is_documented_with_its_options() -> None:
    text = page("authoring")
    known = rows(section(text, "Workflow").split("### ")[0])
    assert known.keys() == public(Workflow) | parameters(Workflow)
    gate = parameters(gate_spec, "where", "calls_action", "calls_risk")
    expected = {
        name: parameters(getattr(Workflow, name)) | (gate if name == "approval" else set())
        for name in public(Workflow) - {"definition", "graph", "read_input", "start"}
    }
    for name, options in expected.items():
        assert rows(section(text, f"`{name}`")).keys() == options, name


def test_every_member_of_the_context_is_documented() -> None:
    empty = Run(), Step(kind="step")
    members = public(Context) | {name for name in vars(Context(*empty)) if not name.startswith("_")} | {"escalation"}
    assert rows(section(page("authoring"), "Context")).keys() == members


def test_every_outcome_and_every_verb_is_documented() -> None:
    documented = rows(section(page("authoring"), "Outcomes")).keys()
    assert documented <= set(hitl.__all__)
    defined = {name for name, value in vars(outcomes).items() if getattr(value, "__module__", "") == outcomes.__name__}
    assert defined - {"Approve", "Human", "Signal", "Timer"} <= documented
    verbs = {name for name in hitl.__all__ if name[0].islower()}
    assert rows(section(page("authoring"), "From Django code")).keys() == verbs


# -- the readers can fail -----------------------------------------------------------------------------


def test_what_is_not_documented_is_found() -> None:
    text = "# T\n## One\n| `a` | x |\n### In\n| `b` | y |\n## Two\n| `c` | z |\n| not | code |\n"
    assert rows(section(text, "One")) == {"a": ["x"], "b": ["y"]}
    with pytest.raises(AssertionError, match="no heading 'Three'"):
        section(text, "Three")
    with pytest.raises(AssertionError, match="stands twice"):
        rows("| `a` | x |\n| `a` | y |\n")


@pytest.mark.parametrize(
    ("default", "words"),
    [(timedelta(hours=1), "1 hour"), (timedelta(seconds=2), "2 seconds"), (None, "none"), (True, "on"), (8, "8")],
)
def test_defaults_are_read_as_people_write_them(default: Any, words: str) -> None:
    assert told(default) == words
