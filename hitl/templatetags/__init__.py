"""What templates may do with text.

Question it answers: how does a value look on a screen or in a mail?
May call: `definition.text`; for the start page of operators also `models` and `engine`, to count.
Never: mark anything as safe; a rule or a status.
"""
