"""A group chat: scripted agents speak in turns, and between two turns a person may join in and steer them.

A person speaks by the signal `say`; when nobody does for two minutes, the agents go on among themselves. `wait_any`
keeps what is said while an agent speaks: the next pause between two turns takes it.
"""

from datetime import timedelta

from hitl import Complete, Continue, Signal, Timer, Workflow

chat = Workflow("group-chat", title="Agents debate, a person may join")


def writer(said):
    """Proposes, and takes up what a person said."""
    people = [line["text"] for line in said if line["who"] == "person"]
    return f"Let us say: {people[-1]}" if people else "Let us say: buy now"


def critic(said):
    """Finds something in the writer's last line."""
    return f"'{said[-1]['text']}' is too short" if "buy" in said[-1]["text"] else "I can live with that"


def closer(said):
    """Content once a critic is."""
    return "Agreed" if any("live with" in line["text"] for line in said) else "Not yet"


AGENTS = [writer, critic, closer]


def turn(ctx):
    """One agent speaks; then a person may."""
    said = (ctx.load_checkpoint() or {"said": []})["said"]
    agent = AGENTS[ctx.iteration % len(AGENTS)]
    line = {"who": agent.__name__, "text": ctx.once("speak", agent, said)}
    ctx.put_stream(line, name=f"turn-{ctx.iteration}")
    said = [*said, line]
    if line["text"] == "Agreed":
        return Complete(said)
    heard = ctx.wait_any("pause", Signal("say"), Timer(timedelta(minutes=2)))
    if heard.kind == "signal":
        said = [*said, {"who": "person", "text": heard.value}]
    return Continue({"said": said})


chat.agent_loop("debate", turn, max_iterations=12, max_duration=timedelta(hours=1))
