"""vomap decides which local account a token runs as on a grid Compute Element."""

__version__ = "0.1.0"
