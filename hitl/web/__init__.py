"""Door for links in mails and for machines that ask how we are.

Question it answers: where does this link lead, who wants no more of these mails, and is everything alive?
May call: `notifications` (links, what is turned off), `decisions` (what is visible), `engine` (age of the last sweep).
Never: decide. A GET changes nothing but a signed-in person's first look.
"""
