"""Door for operators: `manage.py hitl …` and `manage.py demo`.

Question it answers: what did the operator type, and what do they want to read?
May call: every verb, and `embedded` to serve.
Never: a rule or a status.
"""
