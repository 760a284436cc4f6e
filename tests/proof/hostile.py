"""An attacker's inputs, made from good tokens and from nothing: payloads for HTCondor, environments for ARC."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

from ces import arc_environment, htcondor_payload

Environment = dict[bytes, bytes]

# Linux's limit for one variable, and a little less than its limit for all.
LONGEST_VARIABLE, LARGEST_ENVIRONMENT = 131_000, 1_500_000
_TOKEN = b"BEARER_TOKEN_0_"
_CLAIMS = ("iss", "sub", "aud", "scope", "wlcg.groups", "entitlements", "eduperson_entitlement", "exp", "iat", "nbf")
_MORE_CLAIMS = ("jti", "client_id", "azp", "ver", "wlcg.ver", "project", "", "ISS", "Sub", "sub ", "s\u200bub")
# Blanks, directions, marks that join, line ends, what looks like something else, and what lower() makes ASCII of.
_SIGNS = (
    "\0", "\x01", "\x07", "\x1b[2J", "\x7f", "\x85", "\xa0", "\xad", "\u061c", "\u200b", "\u2028", "\u2029", "\u202e",
    "\u2066", "\u212a", "\u0130", "\u0131", "\u0430", "\u0435", "\uff0f", "\u2215", "\ufeff", "\ufffd", "\ufffe",
    "\U0001f600", "\U000e0041", "\n", "\r", "\t", "\v", "\f", " ", "/", "..", "/../", "%2e%2e", "%00", "%", "*",
    "<vo>", "'", '"', "\\", "$(id)", "`id`", "{", "}", "#", ":", ",", "=", "_0=", "-", "root", "Role=pilot", "\u0661",
    "e\u0301",
)  # fmt: skip
_SCALARS: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, -1e308, 10**18, 10**40, 2**53, 2**53 + 1, "", " ", "ANY", [], {}, [[]],
    [None], [""], ["", ""], {"a": {}}, [["ANY"]], {"sub": "root"}, ["root", 0],
)  # fmt: skip
_NUMBERS = ("1e999", "-1e999", "NaN", "Infinity", "-Infinity", "-0", "1E400", "0x10", "01", "1_0", "\u0661", "1.", "+1")
_BLANKS = (" ", "\t", "\n", "\r", "\v", "\f", "\x85", "\xa0", "\u2003", "\u3000", "\ufeff", "\0", "//x\n", "/**/")
_CONSTANTS = (
    b"", b" ", b"\0", b"null", b"[]", b"{}", b'""', b"true", b"0", b"\xff", b"\xfe\xff", b"{", b"}", b"[", b'{"',
    b'{"":', b'{"sub":"\\ud800"}', b'{"iss":"\\u0000"}', b'{"sub":"\\x41"}', b"\xef\xbb\xbf{}", b"{}{}", b"{}\0",
    b"\xed\xa0\x80",
)  # fmt: skip


class Hostile:
    """A seeded source of inputs. Each is made from a good token, and spoilt in one of many ways, or in several."""

    def __init__(self, seed: int, tokens: Sequence[dict[str, Any]]) -> None:
        """Take the tokens to spoil."""
        self._random = random.Random(seed)
        self._tokens = tokens
        self.payload_kinds: list[Callable[[], bytes]] = [
            self._spoilt_bytes, self._spoilt_bytes, self._spoilt_token, self._spoilt_token, self._spoilt_token,
            self._twice, self._deep, self._number, self._blanks, self._encoded, self._long, self._constant, self._noise,
        ]  # fmt: skip
        self.environment_kinds: list[Callable[[], Environment]] = [
            self._shown, self._shown, self._forged, self._forged, self._gaps, self._many, self._spelled, self._raw,
            self._large, self._others,
        ]  # fmt: skip

    def payload(self) -> bytes:
        """Return a payload for HTCondor's plugin."""
        return self._random.choice(self.payload_kinds)()

    def environment(self) -> Environment:
        """Return an environment for ARC's plugins, one that Linux can pass on."""
        environment: Environment = {}
        size = 0
        for name, value in self._random.choice(self.environment_kinds)().items():
            # An environment is a list of texts `name=value` that end with a NUL.
            text = (name + b"=" + value).replace(b"\0", b"")[:LONGEST_VARIABLE]
            plain, equals, rest = text.partition(b"=")
            size += len(text) + 16
            if equals and plain not in (b"PATH", b"HOME") and size < LARGEST_ENVIRONMENT:
                environment.setdefault(plain, rest)
        return environment

    # Payloads

    def _spoilt_bytes(self) -> bytes:
        return self._mutated(htcondor_payload(self._token()))

    def _spoilt_token(self) -> bytes:
        token = self._spoilt()
        return json.dumps(token, ensure_ascii=self._maybe()).encode("utf-8", "surrogatepass")

    def _twice(self) -> bytes:
        """Say a claim twice, in one spelling or in two that JSON reads alike."""
        text = htcondor_payload(self._token())
        name = self._random.choice(_CLAIMS)
        spelled = name if self._maybe() else "".join(f"\\u{ord(sign):04x}" for sign in name)
        member = f'"{spelled}": {json.dumps(self._random.choice(("root", ["ANY"], None, "x")))}'.encode()
        return b"{" + member + b", " + text[1:] if self._maybe() else text[:-1] + b", " + member + b"}"

    def _deep(self) -> bytes:
        depth = self._random.choice((63, 64, 65, 500, 1000, 5000, 100_000, 200_000))
        begin, end = self._random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b"[{", b"}]"), (b'{"a":[', b"]}")))
        inner = self._random.choice((b"", b"1", b'"', b"[", b'"x"'))
        nested = begin * depth + inner + (end * depth if self._maybe() else b"")
        return nested if self._maybe() else htcondor_payload(self._token())[:-1] + b', "x": ' + nested + b"}"

    def _number(self) -> bytes:
        number = self._random.choice(
            (*_NUMBERS, "9" * self._random.choice((20, 300, 301, 4300, 4301, 100_000, 900_000)))
        )
        sign = self._random.choice(("", "-", "0.", "1e", "1e-", "-1E+"))
        name = self._random.choice((*_CLAIMS, "x"))
        token = {key: value for key, value in self._token().items() if key != name}
        return htcondor_payload(token)[:-1] + f', "{name}": {sign}{number}}}'.encode()

    def _blanks(self) -> bytes:
        text = htcondor_payload(self._token()).decode()
        for _ in range(self._random.randrange(1, 4)):
            at = self._random.choice((0, 1, len(text) - 1, len(text), self._random.randrange(len(text))))
            text = text[:at] + self._random.choice(_BLANKS) * self._random.choice((1, 1, 1000)) + text[at:]
        return text.encode()

    def _encoded(self) -> bytes:
        text = json.dumps(self._token(), ensure_ascii=False)
        encoding = self._random.choice(("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp037", "utf-16-be"))
        return text.encode(encoding)

    def _long(self) -> bytes:
        token = self._token()
        length = self._random.choice((1000, 16_000, 100_000, 1_000_000, 1_100_000))
        sign = self._random.choice(_SIGNS)
        text = sign * (length // len(sign.encode()))
        name = self._random.choice((*_CLAIMS, text))
        token[name] = self._random.choice((text, [text], text.split(sign[0])[:50_000], ["/a"] * (length // 8)))
        return json.dumps(token, ensure_ascii=False).encode("utf-8", "surrogatepass")

    def _constant(self) -> bytes:
        return self._random.choice(_CONSTANTS)

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.choice((1, 10, 1000)))

    # Environments

    def _shown(self) -> Environment:
        """Show a token that was spoilt, as ARC would."""
        return dict(arc_environment(self._spoilt()))

    def _forged(self) -> Environment:
        """Show a token with claims whose names reach for other variables: a `=` moves the border."""
        token = self._token()
        target = self._random.choice((*_CLAIMS, "wlcg.groups", "x"))
        index = self._random.choice(("0", "1", "00", "", "0_0", "-1", "1_0", "99999999999999999999"))
        value = self._random.choice(("root", "/own/Role=pilot", "ANY", "https://own.example.org/", "", "a_0=b"))
        token[f"{target}_{index}={value}"] = self._random.choice((value, "x", ["x", "y"], ""))
        return dict(arc_environment(token))

    def _gaps(self) -> Environment:
        environment = self._shown()
        for name in self._random.sample(sorted(environment), min(len(environment), self._random.randrange(1, 4))):
            del environment[name]
        return environment

    def _many(self) -> Environment:
        environment = self._shown()
        field = self._random.choice((b"CLAIM_wlcg.groups", b"GROUP", b"AUDIENCE", b"SCOPE", b"CLAIM_x", b"CLAIM_aud"))
        for number in range(self._random.choice((10, 1000, 5000))):
            environment[_TOKEN + field + b"_%d" % number] = self._random.choice((b"/own", b"ANY", b"x", b""))
        return environment

    def _spelled(self) -> Environment:
        """Show a claim, or a field, in another case, or for another token."""
        environment = self._shown()
        for name in self._random.sample(sorted(environment), min(len(environment), 3)):
            other = self._random.choice((name.upper(), name.lower(), name.swapcase(), name.replace(b"_0_", b"_1_", 1)))
            other = self._random.choice(
                (other, other, name + b"_0", name[:-1], name.replace(b"TOKEN_0", b"TOKEN_00", 1))
            )
            environment[other] = environment[name] if self._maybe() else b"root"
        return environment

    def _raw(self) -> Environment:
        environment = {}
        for name, value in self._shown().items():
            spoilt = self._random.random()
            environment[self._mutated(name) if spoilt < 0.1 else name] = self._mutated(value) if spoilt > 0.8 else value
        return environment

    def _large(self) -> Environment:
        environment = self._shown()
        name = self._random.choice((*sorted(environment), _TOKEN + b"CLAIM_" + b"n" * 60_000 + b"_0", b"X" * 60_000))
        environment[name] = self._random.choice((b"x", b"/", b",", b"_0=", b"\xff", b"%2e", b" ")) * LONGEST_VARIABLE
        return environment

    def _others(self) -> Environment:
        """Show a good token beside what has nothing to do with it, or nothing but that."""
        names = [
            b"", b"X509_SUBJECT_NAME", b"PYTHONPATH", b"LC_ALL", b"SUBJECT", b"CLAIM_sub_0", b"\xff", b"a\nb",
            b"BEARER_TOKEN_", b"BEARER_TOKEN_0", b"BEARER_TOKEN_0_", b"BEARER_TOKEN_x_", b"BEARER_TOKEN_0_\nISSUER",
            _TOKEN + b"CLAIM_", _TOKEN + b"CLAIM__0", _TOKEN + b"CLAIM_0", _TOKEN + b"ISSUER_0",
        ]  # fmt: skip
        environment = dict(arc_environment(self._token())) if self._maybe() else {}
        for name in self._random.sample(names, 4):
            environment[name] = self._random.choice((b"", b"root", b"/x", b"\xff", b"a\nb", b"1"))
        return environment

    # Both

    def _token(self) -> dict[str, Any]:
        return dict(self._random.choice(self._tokens))

    def _maybe(self) -> bool:
        return self._random.random() < 0.5

    def _spoilt(self) -> dict[str, Any]:
        """Return a token with one claim or more of another type, with other signs in them, or of others' names."""
        token = self._token()
        for _ in range(self._random.choice((0, 1, 1, 1, 2, 3))):
            name = self._random.choice((*_CLAIMS, *_CLAIMS, *_MORE_CLAIMS))
            how = self._random.random()
            if how < 0.2:
                token.pop(name, None)
            elif how < 0.5:
                token[name] = self._random.choice(_SCALARS)
            else:
                token[name] = self._with_signs(token.get(name, "x"))
        return token

    def _with_signs(self, value: object) -> object:
        if isinstance(value, str):
            at = self._random.randrange(len(value) + 1)
            sign = self._random.choice((*_SIGNS, chr(self._random.choice((0xD800, 0xDFFF)))))
            return value[:at] + sign + value[at + self._random.choice((0, 0, 1)) :]
        if isinstance(value, list):
            return (
                [*value, self._random.choice((*_SCALARS, *_SIGNS))]
                if self._maybe()
                else list(map(self._with_signs, value))
            )
        return [value]

    def _mutated(self, content: bytes) -> bytes:
        """Flip bits, cut, put in, or leave out."""
        for _ in range(self._random.choice((1, 1, 1, 2, 8))):
            at = self._random.randrange(len(content) + 1)
            how = self._random.randrange(5)
            if how == 0 and at < len(content):
                content = content[:at] + bytes([content[at] ^ 1 << self._random.randrange(8)]) + content[at + 1 :]
            elif how == 1:
                content = content[:at]
            elif how == 2:
                content = content[:at] + self._random.choice(_SIGNS).encode() + content[at:]
            elif how == 3:
                content = content[:at] + content[at + self._random.randrange(1, 20) :]
            else:
                content = content[:at] + bytes([self._random.randrange(256)]) + content[at:]
        return content
