"""What a policy means: clauses, example tokens, differences, warnings and explanations."""
