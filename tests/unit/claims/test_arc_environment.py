"""ARC's variables: every claim, unless they can be read in two ways."""

from __future__ import annotations

import pytest

from ces import arc_environment
from vomap.claims import TokenError, TokenRefused
from vomap.claims.arc_environment import read_environment

ISSUER = {"iss": "https://i.example", "sub": "s"}


def _with(token: dict[str, object], **changes: str | None) -> dict[bytes, bytes]:
    """Return ARC's variables for a token, some changed or (None) removed. `_` begins the variables of token 0."""
    environment = arc_environment(token)
    for name, value in changes.items():
        variable = (f"BEARER_TOKEN_0{name}" if name.startswith("_") else name).encode()
        if value is None:
            del environment[variable]
        else:
            environment[variable] = value.encode()
    return environment


def test_every_claim_is_read() -> None:
    """Strings and lists are the same as on HTCondor. One value is a string, as ARC shows both alike."""
    token = {**ISSUER, "aud": ["a", "b"], "scope": "x y", "wlcg.groups": ["/g"], "jti": "", "e": ["1", "2"]}
    claims = read_environment({**arc_environment(token), b"PATH": b"/bin", b"BEARER_TOKEN_FILE": b"/f"})
    assert claims.texts == {**ISSUER, "scope": "x y", "wlcg.groups": "/g", "jti": ""}
    assert claims.lists == {"aud": ("a", "b"), "e": ("1", "2")}
    assert claims.times == {}


def test_no_token_says_nothing() -> None:
    """A client without a token is legal: it has no claims."""
    assert read_environment({b"PATH": b"/bin"}).texts == {}
    assert read_environment({b"X509_SUBJECT_NAME": b"/CN=x"}).texts == {}


def test_without_claim_variables() -> None:
    """Where ARC shows no claims, its own variables say the same."""
    variables = {
        b"BEARER_TOKEN_0_ISSUER": b"i",
        b"BEARER_TOKEN_0_SUBJECT": b"s",
        b"BEARER_TOKEN_0_AUDIENCE_0": b"a",
        b"BEARER_TOKEN_0_SCOPE_0": b"x",
        b"BEARER_TOKEN_0_SCOPE_1": b"y",
        b"BEARER_TOKEN_0_GROUP_0": b"/g",
        b"BEARER_TOKEN_0_GROUP_1": b"/h",
    }
    claims = read_environment(variables)
    assert claims.texts == {"iss": "i", "sub": "s", "aud": "a", "scope": "x y"}
    assert claims.lists == {"wlcg.groups": ("/g", "/h")}


def test_a_gap_ends_a_list() -> None:
    """ARC did not write the variables after a gap in the numbers."""
    environment = _with({**ISSUER, "e": ["1", "2"]}, _CLAIM_e_3="4")
    assert read_environment(environment).values("e") == ("1", "2")


@pytest.mark.parametrize("variable", ["_CLAIM_e_1", "_CLAIM__0", "_CLAIM_", "_CLAIM_e", "_OTHER", "_", ""])
def test_what_begins_no_claim(variable: str) -> None:
    """A variable that is not a claim's first value is not a claim."""
    environment = {**arc_environment({**ISSUER}), f"BEARER_TOKEN_0{variable}".encode(): b"v"}
    assert set(read_environment(environment).texts) == {"iss", "sub"}


@pytest.mark.parametrize(
    "variable", ["BEARER_TOKEN_1_ISSUER", "BEARER_TOKEN_1", "BEARER_TOKEN_10_X", "BEARER_TOKEN_00_X"]
)
def test_two_tokens(variable: str) -> None:
    """It is unknown which of two tokens is meant."""
    with pytest.raises(TokenError, match="more than one token"):
        read_environment({**arc_environment({**ISSUER}), variable.encode(): b"x"})


@pytest.mark.parametrize(
    ("token", "changes"),
    [
        ({**ISSUER}, {"_ISSUER": "https://other.example"}),
        ({**ISSUER}, {"_SUBJECT": None}),
        ({"iss": "i", "sub": ["a", "b"]}, {}),
        ({"iss": ["i", "j"], "sub": "s"}, {}),
        ({**ISSUER, "aud": "a"}, {"_AUDIENCE_0": "b"}),
        ({**ISSUER, "aud": "a"}, {"_AUDIENCE_1": "b"}),
        ({**ISSUER, "wlcg.groups": "/g"}, {"_GROUP_0": None}),
        ({**ISSUER, "scope": "x y"}, {"_SCOPE_1": "z"}),
        ({**ISSUER, "scope": "x y"}, {"_SCOPE_0": None}),
    ],
)
def test_the_claims_and_their_variables_agree(token: dict[str, object], changes: dict[str, str | None]) -> None:
    """ISSUER, SUBJECT, AUDIENCE, SCOPE and GROUP cannot be forged by a claim's name, so they must agree."""
    with pytest.raises(TokenError, match="does not say what"):
        read_environment(_with(token, **changes))


def test_an_array_of_scopes_is_no_scope() -> None:
    """ARC splits the first value of an array. The claim is a list there, and `scope` is one string."""
    claims = read_environment(arc_environment({**ISSUER, "scope": ["a b", "c"]}))
    assert claims.text("scope") is None


@pytest.mark.parametrize("claim", ["scope", "aud", "wlcg.groups", "iss", "sub"])
@pytest.mark.parametrize("forged", [1, 2, 3])
def test_forged_names_hide_no_standard_claim(claim: str, forged: int) -> None:
    """However many names forge the values of a claim that ARC shows by a field of its own, the two must agree."""
    token = {**ISSUER, "aud": "a", "scope": "storage.read:/secret/x", "wlcg.groups": "/g"}
    names = {f"{claim}_{at}=z": "x" for at in range(forged)}
    with pytest.raises(TokenError, match="does not say what"):
        read_environment(arc_environment({**token, **names}))


@pytest.mark.parametrize("claim", ["client_id", "azp", "wlcg.ver", "groups", "e"])
@pytest.mark.parametrize("forged", [1, 2])
def test_a_claim_that_a_forged_name_may_hide_is_reported(claim: str, forged: int) -> None:
    """The decision has to know, for a ban may ask for it."""
    names = {f"{claim}_{at}=z": "x" for at in range(forged)}
    assert read_environment(arc_environment({**ISSUER, claim: "c", **names})).forged == {claim}


@pytest.mark.parametrize("name", ["SUB", "Iss", "WLCG.groups", "AUD", "Scope"])
def test_another_spelling_of_what_arc_reads(name: str) -> None:
    """ARC takes SUB for `sub`: then the variable is another claim's."""
    with pytest.raises(TokenError, match="another spelling"):
        read_environment({**arc_environment({**ISSUER}), f"BEARER_TOKEN_0_CLAIM_{name}_0".encode(): b"x"})


def test_two_spellings_of_any_claim() -> None:
    """Of two claims that differ in case only, ARC shows one value for both."""
    with pytest.raises(TokenError, match="another spelling"):
        read_environment(arc_environment({**ISSUER, "Group": "a", "group": "b"}))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("evil_0=x", False),
        ("_12=", False),
        ("a=b_3=c", False),
        ("a=b", True),
        ("urn:x=1", True),
        ("a0=b", True),
        ("_=b", True),
        ("0=", True),
        ("", True),
    ],
)
def test_a_value_that_may_be_a_name(value: str, kept: bool) -> None:
    """ARC puts `=` after the name and `_<digits>`: such a value may be the rest of a name, and is not believed."""
    claims = read_environment(arc_environment({**ISSUER, "e": ["good", value]}))
    assert claims.values("e") == (("good", value) if kept else ("good",))


def test_a_certificate_beside_the_token() -> None:
    """The job would belong to the certificate, so the token's bearer is refused."""
    with pytest.raises(TokenRefused, match="certificate"):
        read_environment(_with({**ISSUER}, X509_SUBJECT_NAME="/DC=org/CN=x"))
    with pytest.raises(TokenRefused, match="certificate"):
        read_environment({**arc_environment({"iss": "i"}), b"X509_SUBJECT_NAME": b"/CN=x"})


def test_bytes_that_are_no_text() -> None:
    """Bytes that are not UTF-8 count as control characters do."""
    environment = arc_environment({**ISSUER, "e": ["good"]})
    assert read_environment({**environment, b"BEARER_TOKEN_0_CLAIM_e_1": b"\xff"}).values("e") == ("good",)
    environment.update({b"BEARER_TOKEN_0_SUBJECT": b"\xff", b"BEARER_TOKEN_0_CLAIM_sub_0": b"\xff"})
    environment[b"X509_SUBJECT_NAME"] = b"https://i.example/\xff"
    with pytest.raises(TokenError, match="control character"):
        read_environment(environment)
