"""Door for review links and for machines that ask how we are.

Question it answers: where does this link lead, and is everything alive?
May call: `notifications` (links), `decisions` (what is visible), `engine` (age of the last sweep).
Never: decide. A GET changes nothing but a signed-in person's first look.
"""
