"""The door for agents that speak MCP: `hitl-mcp`, over stdio or HTTP.

Question it answers: how does a model ask a person, wait in bounded calls, and act once?
May call: the Python client; the reference SDK `mcp`.
Never: the server's code; a decision. A tool tells the model what to do next, and never to act before a person agreed.
"""
