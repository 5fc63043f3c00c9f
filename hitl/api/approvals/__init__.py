"""Requests at the API's door.

Question it answers: who asked what, what may this principal do with it, and what came of it?
May call: `decisions`, `policies`, `engine` for requests from outside.
Never: a rule; a decision by a key.
"""
