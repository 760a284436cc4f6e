"""Policies and bans from the text of a mapfile, as `vomap build` composes them."""

from __future__ import annotations

from vomap.mapfile.bans import compose_bans
from vomap.mapfile.compose import compose
from vomap.mapfile.files import Mapfile
from vomap.mapfile.findings import Findings
from vomap.policy import index
from vomap.policy.documents import BansDocument, PolicyDocument
from vomap.policy.model import Bans, Policy


def policy_document(*texts: str) -> PolicyDocument:
    """Compose mapfiles, in their order, into the document of a policy. An error in a mapfile fails the test."""
    findings = Findings()
    document = compose([Mapfile(f"{at}.yaml", text) for at, text in enumerate(texts)], findings).document
    findings.raise_errors()
    return document


def bans_document(text: str | None) -> BansDocument:
    """Compose a file of bans into the document of the bans. None means that there is no file."""
    findings = Findings()
    document = compose_bans([] if text is None else [Mapfile("bans.yaml", text)], findings)
    findings.raise_errors()
    return document


def policy_of(*texts: str) -> Policy:
    """Compose mapfiles to a policy."""
    return index.policy_of(policy_document(*texts), "digest")


def bans_of(text: str | None = None) -> Bans:
    """Compose a file of bans."""
    return index.bans_of(bans_document(text), "digest")
