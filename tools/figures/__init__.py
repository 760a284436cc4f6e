"""Figures about the product code, in one table: `python -m tools.figures [BEFORE AFTER]`."""
