"""The rooms of the house in their order: a room imports only from rooms before it in this list."""

ROOMS = (
    "files",
    "claims",
    "policy",
    "store",
    "mapfile",
    "accounts",
    "log",
    "analysis",
    "web",
    "verify",
    "compile",
    "bans",
    "osg",
    "refresh",
    "ces",
    "status",
    "callouts",
    "cli",
)
