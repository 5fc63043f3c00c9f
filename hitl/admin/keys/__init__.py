"""Keys of agents on the screens: operators make and end them, owners see and end their own.

Question it answers: which programs may come in, what may they do, and who says so?
May call: `policies` to create and revoke, `audit` for a key's chain.
Never: a secret anywhere but in the one answer that shows it.
"""

from hitl.admin.keys import operators, owners

__all__ = ["operators", "owners"]
