"""The manual from the code: reference pages, man pages and completions, all from what the command itself knows."""
