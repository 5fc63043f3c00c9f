"""What people settle for themselves: who decides in their place, and how the screens talk to them.

Question it answers: what has this person arranged?
May call: `policies` for delegations.
Never: anything of somebody else's.
"""
