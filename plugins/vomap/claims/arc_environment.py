"""ARC's token: the variables that ARC sets for a plugin (src/hed/shc/otokens, measured on ARC 7.0.0).

`BEARER_TOKEN_0_CLAIM_<name>_<n>` shows every claim, but a `=` in a claim's name moves the border between name and
value. ISSUER, SUBJECT, AUDIENCE, SCOPE and GROUP cannot be changed that way. So where they are set, the claims must
have the same values.
"""

from __future__ import annotations

from vomap.claims import Claims, TokenError, TokenRefused, read_claims

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOKEN, _FIRST = b"BEARER_TOKEN_", b"BEARER_TOKEN_0_"
_CLAIM = b"CLAIM_"
# A control character: such a value does not count, but the claim is present.
_SAYS_NOTHING = b"\x01"
# No environment variable can contain it.
_BETWEEN = b"\x00"
_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_STANDARD = (b"iss", b"sub", b"aud", b"scope", b"wlcg.groups")


def read_environment(environ: Mapping[bytes, bytes]) -> Claims:
    """Read the claims of the one token that ARC shows. Without a token, the claims are empty.

    Raises TokenError if there is more than one token, or if the variables can be read in two ways, and TokenRefused
    if the job would belong to a certificate that came with the token.
    """
    names = _BETWEEN.join([b"", *environ, b""])
    _refuse_another_token(names)
    values = {name: _indexed(environ, _CLAIM + name) for name in _claims(names)}
    _refuse_two_spellings(values)
    members: dict[str, object] = {}
    forged = []
    for name, raw in values.items():
        if name not in _STANDARD:
            said = _without_names(raw)
            _put(members, name, said)
            if said is not raw:
                forged.append(_text(name))
    _put(members, b"iss", _one(environ, b"ISSUER", values.get(b"iss")))
    _put(members, b"sub", _one(environ, b"SUBJECT", values.get(b"sub")))
    _put(members, b"aud", _several(environ, b"AUDIENCE", values.get(b"aud")))
    _put(members, b"wlcg.groups", _several(environ, b"GROUP", values.get(b"wlcg.groups")))
    _put(members, b"scope", _scope(environ, values.get(b"scope")))
    # A-REX gives the job to X509_SUBJECT_NAME, which is a certificate's if one came with the token.
    identity, issuer = environ.get(b"X509_SUBJECT_NAME"), members.get("iss")
    if identity is not None and issuer is not None and _text(identity) != f"{issuer}/{members.get('sub')}":
        raise TokenRefused("token: a certificate came with it, and the job would belong to that")
    claims = read_claims(members)
    claims.forged = frozenset(forged)
    return claims


def _refuse_another_token(names: bytes) -> None:
    # With one token, counting the names is enough.
    if names.count(_BETWEEN + _TOKEN) == names.count(_BETWEEN + _FIRST):
        return
    for rest in names.split(_BETWEEN + _TOKEN)[1:]:
        index = rest.partition(_BETWEEN)[0].partition(b"_")[0]
        if index.isdigit() and index != b"0":
            raise TokenError("token: more than one token was presented")


def _claims(names: bytes) -> Iterator[bytes]:
    """Yield the name of each claim that has a first value."""
    begin = _FIRST + _CLAIM
    for piece in names.split(b"_0" + _BETWEEN)[:-1]:
        variable = piece.rpartition(_BETWEEN)[2]
        if variable.startswith(begin) and variable != begin:
            yield variable[len(begin) :]


def _indexed(environ: Mapping[bytes, bytes], field: bytes) -> list[bytes]:
    """Return the values FIELD_0, FIELD_1, ...: a gap in the numbers ends the list."""
    variable = (_FIRST + field.replace(b"%", b"%%") + b"_%d").__mod__
    found = map(environ.get, map(variable, range(len(environ) + 1)))
    return list(iter(found.__next__, None))


def _refuse_two_spellings(values: Mapping[bytes, list[bytes]]) -> None:
    """Refuse two spellings of a claim: ARC ignores case and shows the value of either."""
    seen: dict[bytes, bytes] = {}
    for name in values:
        folded = name.lower()
        if folded in seen or (folded in _STANDARD and name != folded):
            claim = folded.decode("utf-8", "backslashreplace")
            raise TokenError(f"token: the claim {claim!a} is there in another spelling")
        seen[folded] = name


def _without_names(values: list[bytes]) -> list[bytes]:
    """Return the values, each that may be the rest of a claim's name replaced, or the same list if none may.

    The other name may hide this claim, so the claim counts as forged (`Claims.forged`).
    """
    if b"0=" not in _BETWEEN.join(values).translate(_DIGITS_AS_ZERO):
        return values
    said = [_SAYS_NOTHING if _may_be_a_name(value) else value for value in values]
    return values if said == values else said


def _may_be_a_name(value: bytes) -> bool:
    """Return True if a value may be the rest of a claim's name: `_<digits>=` is where ARC puts the border."""
    equals = value.find(b"=")
    while equals >= 0:
        digits = equals
        while digits and value[digits - 1 : digits].isdigit():
            digits -= 1
        if digits < equals and value[digits - 1 : digits] == b"_":
            return True
        equals = value.find(b"=", equals + 1)
    return False


def _one(environ: Mapping[bytes, bytes], field: bytes, claim: list[bytes] | None) -> list[bytes]:
    """Return the value of a claim with at most one value. ARC shows the first string of an array there."""
    shown = environ.get(_FIRST + field, b"")
    if claim is None:
        return [shown] if shown else []
    if claim != [shown]:
        raise TokenError(f"token: {_disagreeing(field)}, or the claim is a list")
    return claim


def _several(environ: Mapping[bytes, bytes], field: bytes, claim: list[bytes] | None) -> list[bytes]:
    shown = _indexed(environ, field)
    if claim is None:
        return shown
    if claim != shown and [value for value in claim if value] != [value for value in shown if value]:
        raise TokenError(f"token: {_disagreeing(field + b'_0...')}")
    return claim


def _scope(environ: Mapping[bytes, bytes], claim: list[bytes] | None) -> list[bytes]:
    words = _indexed(environ, b"SCOPE")
    if claim is None:
        return [b" ".join(words)] if words else []
    # Of an array ARC shows the words of the first string alone.
    if [word for word in claim[0].split(b" ") if word] != words:
        raise TokenError(f"token: {_disagreeing(b'SCOPE_0...')}")
    return claim


def _put(members: dict[str, object], name: bytes, raw: list[bytes]) -> None:
    """Add a claim. ARC shows a string and an array with one member in the same way, so one value is a string."""
    # A byte that is not valid UTF-8 becomes half a surrogate pair, which later counts as a control character.
    if raw:
        values = _text(_BETWEEN.join(raw)).split(_BETWEEN.decode())
        members[_text(name)] = values if len(values) > 1 else values[0]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def _disagreeing(field: bytes) -> str:
    return f"BEARER_TOKEN_0_{field.decode()} does not say what the claim's variable says"
