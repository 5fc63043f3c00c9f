"""Measurements. Each prints a table, writes JSON into `benchmarks/results/`, and states the machine's own floor too.

Nothing here asserts a time: machines differ, ratios in one run hold.
"""
