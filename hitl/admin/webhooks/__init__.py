"""Webhooks and dead letters under `/review/`, for operators.

Question it answers: which programs are told, does it arrive, and what was lost?
May call: `notifications.endpoints`, which keeps each act on record.
Never: a secret but in the one answer that made it.
"""
