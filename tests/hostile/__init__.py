"""Hostile text through every page, mail and export."""
