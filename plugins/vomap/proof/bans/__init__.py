"""Bans: whom one would have kept out, whether it keeps out whom it names, and what looks as if it did not."""
