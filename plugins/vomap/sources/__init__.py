"""Where mapfiles come from."""
