"""What the API says of itself: OpenAPI 3.1.

Question it answers: which calls are there, what goes in, and what can come out?
May call: the views' own attributes, `shapes`, `problems`; drf-spectacular lives here only.
Never: a row; an answer that depends on who asks.
"""
