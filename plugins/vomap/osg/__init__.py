"""The OSG topology: a mapfile from its VO files."""
