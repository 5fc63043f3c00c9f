"""Oversight: how people decide, in figures and plots.

Question it answers: who has how much to do, how long does it take, and who only clicks?
May call: `figures` to read.
Never: anything but reading.
"""
