"""The generator of example tokens."""
