"""All of `vomap ban`: files of bans, published lists, what a ban reaches and what it misses."""
