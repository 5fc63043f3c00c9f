"""The lists of requests a person may open, each read along indexes, a bounded part at a time.

Question it answers: which requests stand in this person's view, in which order, and roughly how many?
May call: its neighbours in `models`.
Never: a rule of who may decide; a count without a bound.
"""
