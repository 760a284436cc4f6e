"""What `vomap status` reports."""
