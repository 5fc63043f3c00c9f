"""Door for agents, and for people's own programs: JSON over HTTP.

Question it answers: what does this request mean in our verbs, and what does the answer look like?
May call: `engine`, `decisions`, `policies`; Django REST framework lives here only.
Never: a rule; a status; a decision by a key.
"""
