"""What the site decides: the policy, its bans, and the decision for one token. Pure; no clock, no files."""
