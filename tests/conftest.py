"""What all tests have in common: files that only their owner can write, as mapfiles must be, whatever the umask was."""

from __future__ import annotations

import os

os.umask(0o022)
