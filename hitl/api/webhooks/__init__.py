"""Webhooks at the API's door, for operators.

Question it answers: which programs are told of requests, by which secrets, and did it arrive?
May call: `notifications`, which checks that it is an operator who asks.
Never: a secret but in the one answer that made it.
"""
