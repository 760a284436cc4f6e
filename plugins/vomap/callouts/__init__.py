"""The executables that the CEs call: one token in, one account out, and an exit code that cannot be misread."""
