"""The mapfile language: read YAML with positions, check it, compose several files to one policy, and run its tests."""
