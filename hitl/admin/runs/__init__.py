"""Runs on the screens: list, page, control, start.

Question it answers: where does this run stand, and what can be done about it?
May call: the verbs of `engine`, `audit` for the timeline.
Never: a row of a run that this person may not see.
"""
