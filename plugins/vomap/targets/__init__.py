"""What a policy turns into outside vomap: the wiring of a CE."""
