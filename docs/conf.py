"""Sphinx: `uv run --group docs sphinx-build -W -b html docs docs/_build`."""

project = "hitl"
author = "the hitl authors"
copyright = f"2026, {author}"

extensions = ["myst_parser"]
exclude_patterns = ["_build", "images"]
nitpicky = True

html_theme = "furo"
html_title = "hitl"
html_show_sphinx = False

myst_heading_anchors = 3
