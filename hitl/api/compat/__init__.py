"""Doors that other products' clients fit: HumanLayer's SDK and LangSmith's feedback, unmodified.

Question it answers: what does a call of that client mean in our verbs, and which answer does it understand?
May call: `engine`, `decisions`; the doors beside it.
Never: a decision by a key; a yes to other arguments than the client would run.
"""
