"""Measurements. Each prints a table, writes JSON into `benchmarks/results/`, and states the machine's own floor beside it.

Nothing here asserts a time: machines differ, ratios in one run hold.
"""
