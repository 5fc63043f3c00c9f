"""One request: the page, the decision form, and the other acts.

Question it answers: what exactly will run, who is needed, and what may this person do about it?
May call: `policies.explain`, the verbs of `decisions`, `audit` for the timeline.
Never: a verdict of its own; text of an agent as anything but text.
"""
