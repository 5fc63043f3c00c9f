"""Agents outside, attacked: what they ask, what they take, what they work on, and what they must never see."""
