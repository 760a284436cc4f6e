"""Analyse policies: clauses, example tokens, differences, warnings and explanations."""
