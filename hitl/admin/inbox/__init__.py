"""The inbox: what waits for whom, and several requests decided together.

Question it answers: which requests does this person see first, and why are there none?
May call: `decisions` for rows and for deciding several.
Never: a rule; an order of its own.
"""
