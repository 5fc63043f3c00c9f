"""Runs at the API's door.

Question it answers: which runs are there, how are they started, fed, stopped, and what do they tell?
May call: `engine`, `audit`, `decisions` for feedback.
Never: a rule; a status.
"""
