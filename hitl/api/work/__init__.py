"""External workers at the API's door.

Question it answers: which step is there to do, and what came of it?
May call: `engine.external`.
Never: a step without its lease's token.
"""
