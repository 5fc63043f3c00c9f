"""What can be done to a run: what each act does in a sentence, why it is not possible now, and which verb it calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from hitl import decisions, engine
from hitl.admin.runs.forms import Because, ForkForm, OpinionForm, ResolveForm, RunForm, Scene, SignalForm
from hitl.engine.outside.builtin import NAMES as BUILTIN
from hitl.engine.reads import may_control
from hitl.exceptions import NotAllowed
from hitl.models import Run, Step
from hitl.policies import REASONS
from hitl.policies.acts import is_operator
from hitl.states import StepStatus


@dataclass(frozen=True, slots=True)
class RunAct:
    """One act: its button, what it does, its form, why it is not possible now, and the verb. The verb does it and
    returns what is said of it with the run to look at next. `twice` where the verb itself knows a second call; `open`
    to all who see the run; `tab` is where its form stands."""

    label: str | Promise
    hint: str | Promise
    form: type[RunForm]
    problem: Callable[[Scene], str | Promise]
    verb: Callable[..., tuple[str, Run]]
    twice: bool = True
    open: bool = False
    tab: str = ""


def _cancel(scene: Scene, *, reason: str, once: str) -> tuple[str, Run]:
    return now("The run is cancelled."), engine.cancel(scene.run, actor=scene.user, reason=reason)


def _retry(scene: Scene, *, once: str) -> tuple[str, Run]:
    return now("This is the new run; it keeps what had succeeded."), engine.retry(scene.run, actor=scene.user)


def _fork(scene: Scene, *, step: str, patch: dict[str, Any] | None, once: str) -> tuple[str, Run]:
    made = engine.fork(scene.run, step, actor=scene.user, patch=patch)
    return now("This is the new run; it begins at %(step)s.") % {"step": step}, made


def _resolve(scene: Scene, *, once: str, **said: Any) -> tuple[str, Run]:
    if not is_operator(scene.user):
        raise NotAllowed(REASONS["not_operator"], reason="not_operator")
    return now("It is on record, and the run goes on."), engine.resolve(scene.run, actor=scene.user, **said)


def _freeze(scene: Scene, *, reason: str, once: str) -> tuple[str, Run]:
    count = len(engine.freeze(f"run:{scene.run.pk}", actor=scene.user, reason=reason))
    told = ngettext("%(n)d step runs and will end by itself.", "%(n)d steps run and will end by themselves.", count)
    return " ".join([now("The run is frozen."), *([told % {"n": count}] if count else [])]), scene.run


def _unfreeze(scene: Scene, *, once: str) -> tuple[str, Run]:
    engine.unfreeze(f"run:{scene.run.pk}", actor=scene.user, own=not is_operator(scene.user))
    return now("The freeze of this run is lifted."), scene.run


def _signal(scene: Scene, *, signal: str, payload: Any, once: str) -> tuple[str, Run]:
    row = engine.signal(scene.run, signal, payload, sender=scene.user, idempotency_key=once)
    late = now("The signal came too late: what waited for it had given up.")
    return late if row.late else now("The signal is sent."), scene.run


def _opine(scene: Scene, *, key: str, score: float | None, comment: str, once: str) -> tuple[str, Run]:
    decisions.give_feedback(scene.run, key, actor=scene.user, score=score, comment=comment)
    return now("Your feedback is kept."), scene.run


def _none(scene: Scene) -> str:
    return ""


def _live(scene: Scene) -> str | Promise:
    return _("The run has ended.") if scene.ended else ""


def _again(scene: Scene) -> str | Promise:
    alone = scene.run.workflow.name in BUILTIN
    return _("A request that came alone is not begun again: let the agent ask anew.") if alone else ""


def _ended_badly(scene: Scene) -> str | Promise:
    if not scene.ended or scene.run.status == "succeeded":
        return _("Only a run that ended badly can be tried again.")
    return _again(scene)


def _doubtful(scene: Scene) -> str | Promise:
    if not is_operator(scene.user):
        return _("Only operators say what became of a step.")
    return "" if scene.uncertain else _("No step of this run is uncertain.")


def _freezable(scene: Scene) -> str | Promise:
    return _("It is frozen.") if scene.frozen_by else _live(scene)


def _frozen(scene: Scene) -> str | Promise:
    mine = scene.frozen_by == f"user:{scene.user.pk}" or is_operator(scene.user)
    if not scene.frozen_by:
        return _("It is not frozen.")
    return "" if mine else _("Operators lift it, and who set it.")


ACTS: dict[str, RunAct] = {
    "resolve": RunAct(
        _("Say what became of a step"),
        _("Nobody knows whether it was done. What you say is on record under your name, and the run goes on by it."),
        ResolveForm,
        _doubtful,
        _resolve,
    ),
    "retry": RunAct(
        _("Try again"),
        _("A new run keeps what succeeded and begins where this one failed. People are asked again."),
        RunForm,
        _ended_badly,
        _retry,
        twice=False,
    ),
    "fork": RunAct(
        _("Begin again at a step"),
        _("A new run keeps the outputs before the step. People are asked again; this run stays as it is."),
        ForkForm,
        _again,
        _fork,
        twice=False,
    ),
    "freeze": RunAct(
        _("Freeze"),
        _("Nothing of it starts any more. What runs goes on to its end, and deadlines go on as well."),
        Because,
        _freezable,
        _freeze,
    ),
    "unfreeze": RunAct(_("Unfreeze"), _("What is ready starts again."), RunForm, _frozen, _unfreeze),
    "cancel": RunAct(
        _("Cancel the run"),
        _("It ends now. Open requests are closed, and what a worker still does is not taken any more."),
        Because,
        _live,
        _cancel,
    ),
    "signal": RunAct(
        _("Send a signal"),
        _("The run takes it once, now or when it waits for it."),
        SignalForm,
        _live,
        _signal,
        open=True,
        tab="signals",
    ),
    "feedback": RunAct(
        _("Give feedback"),
        _("It is kept with the run under your name, and decides nothing."),
        OpinionForm,
        _none,
        _opine,
        twice=False,
        open=True,
        tab="feedback",
    ),
}


def uncertain_of(steps: dict[str, Step]) -> tuple[str, ...]:
    """The names of the steps that nobody knows the end of."""
    return tuple(step.name for step in steps.values() if step.status == StepStatus.UNCERTAIN)


def offered(scene: Scene, bound: RunForm | None = None) -> dict[str, Any]:
    """The acts for the side of the page: those possible now with their forms, those that are not with why, and whether
    this person may do any of them at all."""
    may = may_control(scene.user, scene.run)
    rows = [_row(name, act, scene, bound) for name, act in ACTS.items() if not act.tab]
    return {
        "may_control": may,
        "possible": [row for row in rows if may and not row["problem"]],
        "impossible": [row for row in rows if may and row["problem"] and row["name"] not in _QUIET],
    }


_QUIET = {"resolve", "unfreeze"}  # said only where there is something to it


def _row(name: str, act: RunAct, scene: Scene, bound: RunForm | None) -> dict[str, Any]:
    mine = bound is not None and bound.name == name
    problem = act.problem(scene)
    form = bound if mine else None if problem else act.form(name=name, scene=scene)
    return {"name": name, "label": act.label, "hint": act.hint, "problem": problem, "form": form, "open": mine}
