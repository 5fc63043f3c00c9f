"""A real agent: a language model behind a chat-completions endpoint works in turns and proposes tool calls.

Looking something up needs nobody. Everything that acts becomes an Action people decide on; what they change is what
runs, and a no goes back to the model in the reviewer's words. See `chat_completions` for the endpoint and its key.
"""

import json
from datetime import timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from hitl import Action, Complete, Continue, Workflow
from project.examples import chat_completions, world

ROLE = "You help a shop. Use the tools. When you are done, answer in one sentence."


class LookUp(BaseModel):
    """What is looked up."""

    model_config = ConfigDict(extra="forbid")

    order_id: str


class SendMail(BaseModel):
    """A mail to a customer."""

    model_config = ConfigDict(extra="forbid")

    to: str
    text: str


def look_up(asked, key):
    """The scripted shop."""
    return {"order": asked.order_id, "status": "lost", "customer": "kim@example.com"}


def send_mail(mail, key):
    """The scripted mail server."""
    return world.act("mail", to=mail.to, text=mail.text, idempotency_key=key)


# name: arguments, what it does, what comes of it; without an impact nobody is asked
TOOLS = {
    "look_up": (LookUp, look_up, "", "Look up an order"),
    "send_mail": (SendMail, send_mail, "The customer reads it at once", "Send a mail"),
}

agent = Workflow("llm-agent", title="A language model with tools")


def turn(ctx):
    """Ask the model; do what it wants as far as people let it; go on until it answers."""
    messages = (ctx.load_checkpoint() or {"messages": first_words(ctx.input)})["messages"]
    reply = ctx.once("chat", chat_completions.complete, messages, tool_schemas())
    if not reply["calls"]:
        return Complete(reply["content"])
    messages = [*messages, said(reply)]
    for number, call in enumerate(reply["calls"]):
        result = use(ctx, number, call)
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
    return Continue({"messages": messages})


def use(ctx, number, call):
    """What the model is told of one call: its result, a reviewer's no, or what is wrong with it."""
    if call["name"] not in TOOLS:
        return {"error": f"there are only the tools {', '.join(TOOLS)}"}
    model, tool, impact, title = TOOLS[call["name"]]
    try:
        args = model.model_validate_json(call["arguments"])
    except ValidationError as error:
        return {"error": f"{error.error_count()} arguments are wrong", "schema": model.model_json_schema()}
    if impact:
        answer = ctx.approve(
            f"call-{number}",
            Action(args, type=call["name"], title=title, impact=impact, description="Proposed by a language model"),
            reviewers=["group:support"],
            timeout=timedelta(hours=8),
        )
        if not answer.approved:
            return {"refused": answer.comment or answer.status}
        args = answer.action
    return ctx.once(f"tool-{number}", tool, args, ctx.idempotency_key(f"tool-{number}"))


def said(reply):
    """The model's message as the protocol wants it back."""
    calls = [
        {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
        for call in reply["calls"]
    ]
    return {"role": "assistant", "content": reply["content"], "tool_calls": calls}


def first_words(task):
    """How the conversation begins."""
    return [{"role": "system", "content": ROLE}, {"role": "user", "content": task["task"]}]


def tool_schemas():
    """The tools as the protocol describes them."""
    return [
        {
            "type": "function",
            "function": {"name": name, "description": title, "parameters": model.model_json_schema()},
        }
        for name, (model, _, _, title) in TOOLS.items()
    ]


agent.agent_loop(
    "think",
    turn,
    max_iterations=12,
    max_duration=timedelta(minutes=20),
    iteration_timeout=timedelta(seconds=120),
    max_attempts=4,
)
