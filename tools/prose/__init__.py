"""Check prose against the rules of plain technical English: `python -m tools.prose [PATH ...]`."""
