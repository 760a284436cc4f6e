"""The checks of `vomap status`."""
