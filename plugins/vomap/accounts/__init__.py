"""The local accounts of this machine: what the name service knows of them."""
