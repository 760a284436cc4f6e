"""Check mapfiles and bans, run their tests, and compile them to the files that the callouts read."""
