"""`python -m vomap.cli` is `vomap`."""

from __future__ import annotations

import sys

from vomap.cli import main

sys.exit(main())
