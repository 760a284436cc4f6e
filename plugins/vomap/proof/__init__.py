"""What a policy and its bans mean: why a token is not mapped, what a ban hits, what a change would change."""
