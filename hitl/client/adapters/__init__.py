"""Frameworks' own pauses, decided in the product.

Question it answers: how does what a framework waits for become a request, and what was decided the framework's answer?
May call: `hitl.client` and the one framework each module is named after.
Never: the server, Django, another framework; a decision of its own: whatever is not a yes is told as none.
"""
