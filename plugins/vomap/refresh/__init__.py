"""Whether a newly generated mapfile may replace the one before."""
