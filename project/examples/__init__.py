"""Example workflows, one module each. The agents in them are scripted, and say so."""
