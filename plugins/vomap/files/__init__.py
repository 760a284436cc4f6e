"""Files, safely: written in one step, locked, and judged by owner, mode and kind."""
