"""The seeded bugs, by name: each replaces a function, a method or a constant of vomap.

`python -m proof.seeded_bugs SCRIPT COUNT [BUG]` runs a proof with one of them in place, or with none.
"""

from __future__ import annotations

from proof.seeded_bugs import conditions, custody, decisions, index, memberships, vos

ENGINE_BUGS = {**conditions.BUGS, **decisions.BUGS, **vos.BUGS, **memberships.BUGS, **index.BUGS}
# Of what another user may write.
OWNER_BUGS = custody.BUGS
