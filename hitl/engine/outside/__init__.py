"""Agents outside: requests that no workflow of ours makes, and steps that no worker of ours runs.

Question it answers: what does a program far away ask for, what came of it, and what may it do now?
May call: `decisions` to ask, the engine's claim and outcome; both with the same locks, tokens and grants as inside.
Never: a decision; author code of a project.
"""

from hitl.engine.outside.asking import ask, ask_question, revise
from hitl.engine.outside.publishing import publish
from hitl.engine.outside.taking import Taken, released, report, take
from hitl.engine.outside.told import Told, newest, own, tell
from hitl.engine.outside.workers import act, claim_external, has_work, hold

__all__ = [
    "Taken",
    "Told",
    "act",
    "ask",
    "ask_question",
    "claim_external",
    "has_work",
    "hold",
    "newest",
    "own",
    "publish",
    "released",
    "report",
    "revise",
    "take",
    "tell",
]
