"""How callouts read a policy: built files, whole, in one piece, and writable by nobody else."""
