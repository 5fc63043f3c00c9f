"""What templates may do with text.

Question it answers: how does a value look on a screen or in a mail?
May call: `definition.text`.
Never: mark anything as safe; a rule or a status.
"""
