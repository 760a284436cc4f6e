"""Generate a mapfile from a source of any kind, as `vomap generate osg` does."""

from __future__ import annotations

from collections.abc import Sequence

from vomap.osg import generate as osg
from vomap.osg.topology import open_source
from vomap.web import Web


def generate(
    source: str,
    *,
    only: Sequence[str] = (),
    multi_vos: Sequence[str] = (),
    skip_broken: bool = False,
    web: Web | None = None,
) -> osg.Generation:
    """Return the mapfile of a checkout, its folder of VO files, a tarball, or a VO file, also at a URL."""
    files = open_source(source, web)
    return osg.generate(files, source, only=only, multi_vos=multi_vos, skip_broken=skip_broken)
