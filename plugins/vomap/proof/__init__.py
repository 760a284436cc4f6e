"""What a policy and its bans mean: tokens that are made up to try them with, and what becomes of these."""
