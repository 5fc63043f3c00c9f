"""Policies on the screens: versions in words, what changed, the editor, and the simulator.

Question it answers: who would be asked for this action, and why?
May call: `policies` to read, simulate and apply.
Never: an edited version; a rule of its own.
"""
