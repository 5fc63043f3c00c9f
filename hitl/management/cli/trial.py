"""`hitl policy test`: what a policy would ask for an action, and whether that is what somebody expects."""

from __future__ import annotations

import argparse
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from pydantic import ValidationError

from hitl.definition import PolicyDocument, Stage, canonical
from hitl.definition.policy import FACTS
from hitl.definition.values import RISKS, as_written
from hitl.exceptions import InvalidPolicy
from hitl.management.cli.base import Out, command, documents, json_argument, plain
from hitl.policies.requirements import active_policy
from hitl.policies.simulate import SAID, Behind, Looked, Simulation, behind, facts_of, simulate

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")
_OF_AN_ACTION = {"type", "args", "target", "reversible"}
_EXPECTED = ("rule", "auto", "level", "stages")
_OF_A_CASE = {*FACTS, "action", "name", "expect"} - {"args"}


def add_to(policies: Any) -> None:
    """Add the command to the group `policy`."""
    words = "which rule would hold for an action and who would be asked; or check cases: exit 0 as expected, 1 not"
    test = command(policies, "test", _test, words)
    test.add_argument("policy", help="a policy's name for its active version, or a file such as ./policies.yaml")
    test.add_argument("--name", help="which policy of the file, where it holds several")
    what = test.add_mutually_exclusive_group(required=True)
    what.add_argument("--action", help='the action as JSON: its arguments, or {"args": …, "type": …} as a whole')
    what.add_argument("--cases", type=Path, help="YAML list of {action, risk, …, expect: {rule, auto, level, stages}}")
    test.add_argument("--risk", choices=RISKS, default="medium", help="default medium, as for gates")
    test.add_argument("--reversible", action="store_true")
    for fact in ("type", "target", "agent", "workflow", "step"):
        test.add_argument(f"--{fact}")
    test.add_argument("--requester", help="login name of who asks")
    test.add_argument("--iteration", type=int)


def _test(options: argparse.Namespace, out: Out) -> int:
    document, version = _document(options)
    given = {name: getattr(options, name, None) for name in FACTS if name != "args"}
    known = {name: value for name, value in given.items() if value not in (None, False)}
    if options.cases is not None:
        return _check_cases(options, out, document, known)
    facts = _facts(json_argument(options.action), known)
    found = simulate(document, facts, version=version)
    value = _told(found, facts)
    out.give({"policy": document.name, "version": version or None, **value}, "\n".join(_lines(document, found, value)))
    return 0


def _document(options: argparse.Namespace) -> tuple[PolicyDocument, int]:
    """A word that could be a policy's name is one; all else is a file."""
    if _NAME.fullmatch(options.policy):
        policy = active_policy(options.policy)
        return policy.value, policy.version
    found = [PolicyDocument.read(document) for document in documents(Path(options.policy))]
    named = [document for document in found if options.name in (None, document.name)]
    if len(named) != 1:
        told = ", ".join(document.name for document in found) or "none"
        raise CommandError(f"{options.policy}: say which policy with --name; there are {told}")
    return named[0], 0


def _facts(action: Any, known: dict[str, Any]) -> dict[str, Any]:
    """What conditions look at: what is said beside the action goes before what it says itself."""
    if not isinstance(action, dict):
        raise CommandError("an action is a JSON object: its arguments, or args, type, target and reversible")
    whole = isinstance(action.get("args"), dict) and action.keys() <= _OF_AN_ACTION
    said = action if whole else {"args": action}
    facts = facts_of(**{**said, **known})
    kinds = {name: str for name in FACTS} | {"reversible": bool, "iteration": int, "args": dict}
    wrong = [name for name, kind in kinds.items() if name != "confidence" and not isinstance(facts[name], kind)]
    if wrong or facts["risk"] not in RISKS:
        raise CommandError(f"{', '.join(wrong) or 'risk'}: this is no such value")
    return dict(json.loads(canonical(facts, what="action")))


# -- one action ---------------------------------------------------------------------------------------


def _told(found: Simulation, facts: dict[str, Any]) -> dict[str, Any]:
    """All of it as JSON, with how many people stand behind each name."""
    held, requirement = found.held, found.requirement
    asks = _user(facts["requester"])
    own = [asks] if asks is not None and requirement.prevent_self_review else []
    stages = () if requirement.auto else requirement.stages
    return {
        "auto": requirement.auto,
        "rule": held.number if held else None,
        "why": requirement.rule or "default",
        "level": requirement.level,
        "on_timeout": requirement.on_timeout,
        "comment": requirement.comment,
        "step_up": bool(requirement.step_up),
        "stages": [_stage(one) for one in behind(stages, requester=asks, without=own)],
        "rules": [
            {"number": r.number, "name": r.name, "when": r.when, "matched": r.matched, "holds": r.holds, "why": r.why}
            for r in found.rules
        ],
    }


def _stage(found: Behind) -> dict[str, Any]:
    stage = found.stage

    def many(names: tuple[str, ...]) -> dict[str, int | None]:
        return {name: found.by_name[name] for name in names}

    return {
        "reviewers": many(stage.reviewers),
        "people": found.together,
        "approvals": stage.need,
        "rejections": stage.rejections,
        "timeout": None if stage.timeout is None else as_written(stage.timeout),
        "remind": [as_written(after) for after in stage.remind],
        "escalate": [{"after": as_written(r.after), "to": many(r.to), "mode": r.mode} for r in stage.escalate],
        "fallback": many(stage.fallback),
        "enough": found.enough,
    }


def _user(name: str) -> Any:
    model = get_user_model()
    found = model._default_manager.filter(**{model.USERNAME_FIELD: name}) if name else None
    return None if found is None else found.values_list("pk", flat=True).first()


def _lines(document: PolicyDocument, found: Simulation, value: dict[str, Any]) -> list[str]:
    told = "passes by itself" if value["auto"] else f"people are asked, level {value['level']}"
    lines = [f"{document.name}: {told}", f"because of: {plain(value['why'])}"]
    for number, stage in enumerate(value["stages"], 1):
        lines += [f"stage {number}: {line}" for line in _stage_lines(stage)]
    if not value["auto"]:
        lines.append(f"silence: {value['on_timeout']}")
    return lines + [_rule_line(rule) for rule in found.rules]


def _stage_lines(stage: dict[str, Any]) -> list[str]:
    lines = [
        f"{stage['approvals']} of {_named(stage['reviewers'])}, {stage['rejections']} can refuse, "
        f"within {_long(stage['timeout'])}"
    ]
    lines += [f"after {_long(after)} a reminder" for after in stage["remind"]]
    for rung in stage["escalate"]:
        also = "also" if rung["mode"] == "add" else "instead"
        lines.append(f"after {_long(rung['after'])} {also} {_named(rung['to'])}")
    lines += [f"if they are too few also {_named(stage['fallback'])}"] if stage["fallback"] else []
    return lines + ([] if stage["enough"] else ["these are too few people to agree"])


def _named(names: dict[str, int | None]) -> str:
    told = []
    for name, count in names.items():
        people = "no such" if count is None else "1 person" if count == 1 else f"{count} people"
        told.append(f"{plain(name)} ({people})" if name != "requester" else "who asks")
    return ", ".join(told)


def _long(span: float | str | None) -> str:
    return span if isinstance(span, str) else str(timedelta(seconds=span or 0))


def _rule_line(rule: Looked) -> str:
    name = f"{rule.name}: " if rule.name else ""
    said = f"{SAID[rule.said]}{': ' if rule.why else ''}{rule.why}"
    return f"{'*' if rule.holds else ' '} rule {rule.number}: {plain(name + rule.when)}: {plain(said)}"


# -- cases --------------------------------------------------------------------------------------------


def _check_cases(options: argparse.Namespace, out: Out, document: PolicyDocument, known: dict[str, Any]) -> int:
    cases = [case for listed in documents(options.cases) for case in (listed if isinstance(listed, list) else [listed])]
    if not cases:
        raise CommandError(f"{options.cases}: there are no cases in it")
    found = [_case(case, number, document, known) for number, case in enumerate(cases, 1)]
    lines = []
    for one in found:
        lines.append(f"{'ok' if one['ok'] else 'NOT'}  {plain(one['name'])}")
        for wrong in one["differences"]:
            lines.append(f"     {wrong['what']}: expected {plain(wrong['expected'])}, got {plain(wrong['got'])}")
    good = sum(one["ok"] for one in found)
    code = 0 if good == len(found) else 1
    out.give({"code": code, "cases": found}, "\n".join([*lines, f"{good} of {len(found)} as expected"]))
    return code


def _case(case: Any, number: int, document: PolicyDocument, known: dict[str, Any]) -> dict[str, Any]:
    where = f"case {number}"
    if not isinstance(case, dict) or case.keys() - _OF_A_CASE:
        raise CommandError(f"{where}: a case has {', '.join(sorted(_OF_A_CASE))}")
    expected = case.get("expect")
    if not isinstance(expected, dict) or not expected or expected.keys() - set(_EXPECTED):
        raise CommandError(f"{where}: expect says one of {', '.join(_EXPECTED)}, or several")
    beside = {name: value for name, value in case.items() if name not in ("action", "name", "expect")}
    try:
        found = simulate(document, _facts(case.get("action"), {**known, **beside}))
        wrong = [one for what, want in expected.items() if (one := _difference(found, what, want, where))]
    except InvalidPolicy as error:
        wrong = [{"what": "policy", "expected": "something to ask", "got": error.message}]
    return {"name": str(case.get("name") or where), "ok": not wrong, "differences": wrong}


def _difference(found: Simulation, what: str, want: Any, where: str) -> dict[str, Any] | None:
    got: Any = found.requirement.rule or "default"
    if what == "rule":
        sure = found.held is not None and found.held.matched is True
        same = sure and found.held.number == want if isinstance(want, int) else got == want  # type: ignore[union-attr]
    elif what == "stages":
        same, got = _stages_agree(found.requirement.stages, want, where)
    else:
        got = getattr(found.requirement, what)
        same = got == want
    return None if same else {"what": what, "expected": want, "got": got}


def _stages_agree(stages: tuple[Stage, ...], want: Any, where: str) -> tuple[bool, Any]:
    """`want` is how many, or for each its reviewers, or what of it is to be compared."""
    if isinstance(want, int):
        return len(stages) == want, len(stages)
    shown = [{"reviewers": list(stage.reviewers), "approvals": stage.need} for stage in stages]
    if not isinstance(want, list):
        raise CommandError(f"{where}: stages are a number, or a list with the reviewers of each")
    try:
        read = [Stage.model_validate(one if isinstance(one, dict) else {"reviewers": one}) for one in want]
    except ValidationError as error:
        raise CommandError(f"{where}: stages: {error.errors()[0]['msg']}") from error
    same = len(read) == len(stages) and all(
        getattr(one, name) == getattr(stage, name)
        for one, stage in zip(read, stages, strict=True)
        for name in one.model_fields_set
    )
    return same, shown
