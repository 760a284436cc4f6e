"""A table of the accounts that another plugin gave to tokens, by the id of a token or by its issuer and subject."""

from __future__ import annotations

from vomap import Error

# HTCondor prints this for a job without a token, and for a token without a `jti`.
_NO_JTI = "undefined"
_EXPECTED = "expected a token's jti, a tab, and an account, or its issuer, a tab, its subject, a tab, and an account"
_ID_AND_ACCOUNT, _IDENTITY_AND_ACCOUNT = 2, 3


class OwnersError(Error):
    """A text is not a table of accounts."""


class Owners:
    """The accounts of tokens, by `jti`, and by issuer and subject.

    The tokens of one subject may have several accounts, by their groups, for example. One token has one account.
    """

    def __init__(self, lines: list[str]) -> None:
        """Take the lines of a table. Raises OwnersError, which begins with the number of the line."""
        self._of_tokens: dict[str, str] = {}
        self._of_subjects: dict[tuple[str, str], set[str]] = {}
        if not any(lines):
            raise OwnersError(f"1: the table is empty; {_EXPECTED}")
        for number, line in enumerate(lines, start=1):
            words = line.split("\t")
            if not all(words) or len(words) not in (_ID_AND_ACCOUNT, _IDENTITY_AND_ACCOUNT):
                raise OwnersError(f"{number}: {_EXPECTED}")
            *key, account = words
            if len(key) > 1:
                self._of_subjects.setdefault((key[0], key[1]), set()).add(account)
            elif key[0] != _NO_JTI and self._of_tokens.setdefault(key[0], account) != account:
                raise OwnersError(f"{number}: the token {key[0]} already has the account {self._of_tokens[key[0]]}")

    @property
    def has_subjects(self) -> bool:
        """Whether the table names accounts by issuer and subject."""
        return bool(self._of_subjects)

    def names_token(self, jti: str | None) -> bool:
        """Return True if the table has the account of a token by its `jti`."""
        return jti in self._of_tokens

    def of_token(self, jti: str | None, issuer: str | None, subject: str | None) -> set[str]:
        """Return the accounts of a token: one by its `jti`, else those of its issuer and subject, none if not named."""
        if jti in self._of_tokens:
            return {self._of_tokens[jti or ""]}
        return self._of_subjects.get((issuer or "", subject or ""), set())
