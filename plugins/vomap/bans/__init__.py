"""Everything about bans: their files, published lists, and the effect and the gaps of a ban."""
