"""The audit record on the screens: the list, what verification says, and evidence to take away.

Question it answers: what happened, and can it be proved?
May call: `audit` to read and verify.
Never: a record changed or left out without a word.
"""
