"""Forms made of JSON Schemas, and inputs that hold a JSON value without changing it.

Question it answers: which inputs does this value need, and what was typed into them?
May call: `definition`.
Never: whether the value may be so: a verb says that.
"""
