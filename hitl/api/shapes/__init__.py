"""What goes in and out as JSON.

Question it answers: which fields has a body, and which an answer?
May call: `models`, `policies` for reasons.
Never: a verb.
"""
