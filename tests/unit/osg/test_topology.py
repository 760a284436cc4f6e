"""VO files are read strictly: whatever could make a mapfile say something else than was meant is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from osg_mapfile import generate
from vomap.osg.files import TopologyError
from vomap.osg.generate import Generation

WriteTopology = Callable[..., Path]
WriteEntry = Callable[..., str]

LONG = "x" * 300


def problems_of(source: Path, **options: bool) -> tuple[str, ...]:
    """Return everything that keeps a source from becoming a mapfile."""
    with pytest.raises(TopologyError) as caught:
        generate(str(source), **options)  # type: ignore[arg-type]
    return caught.value.problems


def identities(generated: Generation) -> dict[tuple[str, str | None], str]:
    """Return the account of each issuer and subject."""
    return {(rule.issuer, rule.subject): rule.account for rule in generated.mapfile.rules}


@pytest.mark.parametrize(
    ("content", "key", "words"),
    [
        ("- a list\n", "", "expected a mapping"),
        ("just text\n", "", "expected a mapping"),
        ("Credentials: text\n", "Credentials", "expected a mapping"),
        ("Credentials: {TokenIssuers: {URL: x}}\n", "Credentials.TokenIssuers", "expected a list"),
        ("Credentials: {TokenIssuers: [text]}\n", "Credentials.TokenIssuers[1]", "expected a mapping"),
        ("Credentials: {TokenIssuers: [null]}\n", "Credentials.TokenIssuers[1]", "expected a mapping"),
        ("Credentials: {<<: {TokenIssuers: []}}\n", "Credentials.<<", "merge key"),
        ("Credentials: {}\nCredentials: {}\n", "Credentials", "given twice"),
        ("? [a]\n: b\n", "", "is a key that is not text"),
    ],
)
def test_a_vo_file_of_another_shape_is_an_error(
    write_topology: WriteTopology, content: str, key: str, words: str
) -> None:
    """An error names the file, the key and what was expected."""
    (problem,) = problems_of(write_topology(Broken=content))
    place, _, rest = problem.partition(": ")
    assert place.startswith("Broken.yaml:")
    assert rest.startswith(f"{key}: " if key else "")
    assert words in rest


@pytest.mark.parametrize(
    ("content", "key", "words"),
    [
        ("ParentVO: Fermilab\n", "ParentVO", "expected a mapping"),
        ("ParentVO: {Name: [Fermilab]}\n", "ParentVO.Name", "expected the parent VO's name"),
        ("ReportingGroups: cms\n", "ReportingGroups", "expected a list"),
        ("ReportingGroups: [[cms]]\n", "ReportingGroups[1]", "expected the name"),
    ],
)
def test_a_broken_file_without_an_issuer_is_left_out(
    write_topology: WriteTopology, entry: WriteEntry, content: str, key: str, words: str
) -> None:
    """A VO without an issuer is not in the mapfile, so its file stops no other VO. If asked for, it is an error."""
    source = write_topology(Good=entry(), Broken=content)
    generated = generate(str(source))
    (warning,) = generated.warnings
    assert (
        warning.startswith(f"Broken.yaml is left out: Broken.yaml:1:{len(key.partition('.')[0]) + 3}: {key}")
        or key in warning
    )
    assert words in warning
    assert generated.mapfile.broken == ("Broken.yaml",)
    with pytest.raises(TopologyError, match=r"--vo broken: broken\.yaml is broken: Broken\.yaml:1:"):
        generate(str(source), only=["broken"])


@pytest.mark.parametrize(
    "more",
    [
        "Contacts: {a: 1, a: 2}\n",
        "Community: a\nCommunity: b\n",
        "Contacts: !!python/object:os.system {a: b}\n",
        "Contacts: {? [a] : b}\n",
        "Contacts: {<<: {a: b}}\nContacts: {}\n",
    ],
)
def test_errors_where_nothing_is_read_are_warnings(write_topology: WriteTopology, entry: WriteEntry, more: str) -> None:
    """A key that the generator does not read changes no account. The VO stays as it is."""
    generated = generate(str(write_topology(A=entry() + more)))
    assert identities(generated) == {("https://issuer.example.org/vo", None): "pilot"}
    (warning,) = generated.warnings
    assert warning.startswith("A.yaml:")
    assert generated.mapfile.broken == ()


@pytest.mark.parametrize(
    "text",
    [
        "Contacts: {a: &x {TokenIssuers: []}}\nCredentials: *x\n",
        "Contacts: &x [!!str {}, {a: 1, a: 2}]\nCredentials: {TokenIssuers: *x}\n",
        "Contacts: {a: b}\n<<: {Credentials: {TokenIssuers: []}}\n",
    ],
)
def test_a_part_that_counts_is_never_excused(write_topology: WriteTopology, entry: WriteEntry, text: str) -> None:
    """An alias, and a merge key, can bring a part that the generator does not read to where it reads."""
    assert problems_of(write_topology(A=text, Good=entry()))


STUB = "Credentials:\n  TokenIssuers:\n"


def test_an_entry_that_nobody_filled_in_is_left_out(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """The entry of a template names no issuer and no account. The VO's other entries stay."""
    stub = "    - URL:\n      DefaultUnixUser:\n"
    source = write_topology(Stub=STUB + stub, Both=entry() + stub)
    generated = generate(str(source))
    assert identities(generated) == {("https://issuer.example.org/vo", None): "pilot"}
    assert [warning.partition(":")[0] for warning in generated.warnings] == ["Both.yaml", "Stub.yaml"]
    assert "has no URL and no DefaultUnixUser: fill it in, or remove the entry" in generated.warnings[0]


@pytest.mark.parametrize(
    "keys",
    [
        "URL: ''\n      DefaultUnixUser:",
        "URL:",
        "DefaultUnixUser:",
        "URL:\n      DefaultUnixUser: a",
        "URL:\n      DefaultUnixUser:\n      Subject: x",
        "URL:\n      DefaultUnixUser:\n      Audience:",
    ],
)
def test_an_entry_that_is_half_filled_in_is_an_error(write_topology: WriteTopology, keys: str) -> None:
    """An author wrote a part of it, and vomap cannot know the rest."""
    assert problems_of(write_topology(A=f"{STUB}    - {keys}\n"))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        *(("DefaultUnixUser", text) for text in ["root", "123", "''", "a b", "-a", "a/b", "x" * 33, "<vo>", "[a]", ""]),
        *(("DefaultUnixUser", text) for text in ['"a\\n"', "ä", "a,b"]),
        *(
            ("URL", f"'{text}'")
            for text in ["http://x.example.org", "issuer.example.org", "https://", "https:///x", ""]
        ),
        *(
            ("URL", f"'{text}'")
            for text in ["https://x.example.org/a b", "HTTPS://x.example.org", "https://u@x.example.org"]
        ),
        *(("URL", f"'{text}'") for text in ["https://x.example.org?a", "https://x.example.org#a", "https://[::1]/"]),
        *(("URL", f"'{text}'") for text in ["https://x.example.org/ä", "https://x.example.org/%zz", "https://x\\y"]),
        *(
            ("URL", text)
            for text in ['"https://x.example.org/\\n"', '"https://x.example.org/\\0"', "[https://x]", "null"]
        ),
        ("URL", f"https://x.example.org/{LONG}"),
        *(
            ("Subject", text)
            for text in ["", "null", "''", "'a b'", "'a*'", "'*'", "'<user>@fnal.gov'", "[a]", "{a: b}"]
        ),
        *(("Subject", text) for text in ['"a\\n"', '"a\\u0000"', '"a\\u00a0b"', "ä", LONG, '"a\\u202e"']),
        ("Subjct", "a"),
        ("Audience", "ANY"),
        ("Description", "[a]"),
    ],
)
def test_an_unsafe_entry_is_an_error(write_topology: WriteTopology, entry: WriteEntry, key: str, text: str) -> None:
    """An invalid https issuer, subject or account is refused, and so is a key that might be a condition."""
    (problem,) = problems_of(write_topology(Broken=entry(**{key: text})))
    assert problem.startswith("Broken.yaml:")
    assert f"Credentials.TokenIssuers[1].{key}: " in problem
    assert "expected " in problem
    assert problem.isascii()
    assert problem.isprintable()


@pytest.mark.parametrize("key", ["URL", "DefaultUnixUser"])
def test_an_entry_without_what_it_needs_is_an_error(write_topology: WriteTopology, key: str) -> None:
    """An entry has an issuer and an account. One that has nothing lacks both."""
    other = {"URL": "DefaultUnixUser: a", "DefaultUnixUser": "URL: https://x.example.org"}[key]
    (problem,) = problems_of(write_topology(Broken=f"Credentials: {{TokenIssuers: [{{{other}}}]}}\n"))
    assert f"Credentials.TokenIssuers[1]: has no {key}" in problem
    assert len(problems_of(write_topology(Broken="Credentials: {TokenIssuers: [{}]}\n"))) == 2


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "Name: x",
        "Credentials:",
        "Credentials: {}",
        "Credentials: {TokenIssuers: }",
        "Credentials: {TokenIssuers: []}",
    ],
)
def test_no_token_issuers_are_no_entries(write_topology: WriteTopology, entry: WriteEntry, content: str) -> None:
    """Credentials and TokenIssuers that are absent, null or empty are legal."""
    generated = generate(str(write_topology(Other=entry(), Plain=content)))
    assert generated.mapfile.vos == 1


def test_text_that_looks_like_something_else_stays_text(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """A subject that looks like a number or a date is the text that was written, and comes back as text."""
    files = {"A": "0815", "B": "1e5", "C": "2026-08-21", "D": "no"}
    written = {name: entry(URL=f"https://{name}.example.org", Subject=text) for name, text in files.items()}
    generated = generate(str(write_topology(**written)))
    assert {rule.vo: rule.subject for rule in generated.mapfile.rules} == files
    assert all(f'subject: "{text}"\n' in generated.text for text in files.values())


def test_all_errors_of_a_run_are_told(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """Two mistakes in one file, one in another and one between two files are five errors."""
    source = write_topology(
        A=entry(URL="http://a.example.org", DefaultUnixUser="root"), B="[", C=entry(), D=entry(), Fine="{}"
    )
    problems = problems_of(source)
    assert [problem.split(":")[0] for problem in problems] == ["A.yaml", "A.yaml", "B.yaml", "C.yaml", "D.yaml"]
    assert str(TopologyError(problems)).startswith("5 errors\n  error: A.yaml:")


def test_skip_broken_goes_on_without_the_file(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """With skip_broken a broken file is left out, with a warning, and the mapfile says so."""
    source = write_topology(Good=entry(), Broken=entry(DefaultUnixUser="root"))
    generated = generate(str(source), skip_broken=True)
    assert generated.mapfile.broken == ("Broken.yaml",)
    assert "Broken.yaml is left out: Broken.yaml:4:" in generated.warnings[0]
    assert "# Left out, because the file is not valid: Broken.yaml\n" in generated.text
    assert [rule.vo for rule in generated.mapfile.rules] == ["Good"]


def test_skip_broken_excuses_no_conflict(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """A conflict between two good files stays an error."""
    problems = problems_of(write_topology(A=entry(), B=entry()), skip_broken=True)
    assert [problem.partition(": ")[0] for problem in problems] == ["A.yaml", "B.yaml"]
    assert "https://issuer.example.org/vo is the issuer of A.yaml too" in problems[1]


def test_one_identity_with_two_accounts_is_an_error(write_topology: WriteTopology) -> None:
    """The right account is unknown, so the error names both."""
    entries = "\n".join(
        f"  - {{URL: 'https://x.example.org', {subject}DefaultUnixUser: {account}}}"
        for subject, account in [("", "one"), ("", "two"), ("Subject: s, ", "three"), ("Subject: s, ", "four")]
    )
    problems = problems_of(write_topology(A=f"Credentials:\n  TokenIssuers:\n{entries}\n"))
    assert [
        "any subject runs as one and as two" in p or "subject s runs as three and as four" in p for p in problems
    ] == [
        True,
        True,
    ]


def test_a_repeated_entry_is_one_rule(write_topology: WriteTopology) -> None:
    """The same entry twice is one rule, whatever the descriptions and their order."""
    entries = [f"{{URL: 'https://x.example.org', Description: {text}, DefaultUnixUser: a}}" for text in ("b", "a")]
    texts = set()
    for order in (entries, entries[::-1]):
        content = f"Credentials: {{TokenIssuers: [{', '.join(order)}]}}\n"
        generated = generate(str(write_topology(A=content)))
        assert identities(generated) == {("https://x.example.org", None): "a"}
        texts.add(generated.text)
    assert len(texts) == 1


def test_vo_names_compare_without_case(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """Two files whose names differ in case only would be one VO."""
    problems = problems_of(write_topology(Nova=entry(), NOVA=entry(URL="https://other.example.org")))
    assert problems[1].startswith("Nova.yaml: is the same VO as NOVA.yaml")
    assert len(problems) == 2


@pytest.mark.parametrize("name", ["a b", "a\nb", "-a", "a#b", "ä", "a" * 101])
def test_a_file_name_that_is_no_vo_name_is_an_error(
    write_topology: WriteTopology, entry: WriteEntry, name: str
) -> None:
    """The name gets into the mapfile, in comments too, so it is a plain word."""
    source = write_topology(**{name: entry()})
    (problem,) = problems_of(source)
    assert "is not a VO's name" in problem
    assert problem.isprintable()
    skipped = generate(str(write_topology(Good=entry())), skip_broken=True)
    assert len([line for line in skipped.text.splitlines() if "Left out" in line]) == 1
    assert "\nb" not in skipped.text


def test_only_vo_files_are_read(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """README.md, hidden files of an editor and REPORTING_GROUPS.yaml are not VO files."""
    source = write_topology(Good=entry(), REPORTING_GROUPS="{}", **{".#Good": "["})
    (source / "virtual-organizations" / "README.md").write_text("[")
    assert generate(str(source)).mapfile.files == 1


def test_a_source_without_token_issuers_is_an_error(write_topology: WriteTopology) -> None:
    """An empty mapfile is never generated: it would take the accounts of all users away."""
    (problem,) = problems_of(write_topology(A="{}"))
    assert "no VO file here names a token issuer" in problem


def test_chosen_vos(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """With `only` no other VO is written, whatever the case of the name."""
    source = write_topology(A=entry(), B=entry(URL="https://b.example.org"))
    generated = generate(str(source), only=["b"])
    assert [issuer.vo for issuer in generated.mapfile.issuers] == ["B"]
    assert "# VO files: 2; chosen: 1\n" in generated.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Novq", "has no such VO; nearest is Nova"),
        ("Plain", "Plain.yaml names no token issuer"),
        ("Broken", "Broken.yaml is broken"),
    ],
)
def test_a_chosen_vo_must_be_there(write_topology: WriteTopology, entry: WriteEntry, name: str, words: str) -> None:
    """A VO that was asked for and cannot be written is an error, also with skip_broken."""
    source = write_topology(Nova=entry(), Plain="{}", Broken="[")
    with pytest.raises(TopologyError, match=words):
        generate(str(source), only=["Nova", name], skip_broken=True)


def test_a_file_of_very_many_entries_is_refused_as_one(write_topology: WriteTopology) -> None:
    """No VO has thousands of entries. vomap does not read or report them one by one."""
    entries = "".join(f"  - {{URL: https://a.example.org, Subject: s{i}, DefaultUnixUser: 1}}\n" for i in range(1001))
    (problem,) = problems_of(write_topology(A=f"Credentials:\n  TokenIssuers:\n{entries}"))
    assert "has 1001 entries" in problem


def test_of_very_many_problems_the_first_are_told(write_topology: WriteTopology) -> None:
    """The author of a broken topology cannot fill a log."""
    text = "Credentials:\n  TokenIssuers:\n" + "  - text\n" * 900
    problems = problems_of(write_topology(**{f"A{i}": text for i in range(9)}))
    assert len(problems) == 101
    assert problems[-1] == "and 800 more"


def test_a_topology_is_not_larger_than_one_can_be(write_topology: WriteTopology) -> None:
    """Files of which each is not too large would keep the reader busy together."""
    (problem,) = problems_of(write_topology(**{f"A{i}": "#" * 250_000 for i in range(40)}))
    assert "all VO files together are larger than 8388608 bytes" in problem


@pytest.mark.parametrize("end", ["]", ""], ids=["valid", "broken"])
def test_files_of_very_many_values_together_are_refused(write_topology: WriteTopology, end: str) -> None:
    """Each of 25 files has fewer values than a file may have. Values before an error count, too."""
    text = f"x: [{'a,' * 9_000}{end}\n"
    (problem,) = problems_of(write_topology(**{f"A{i}": text for i in range(25)}))
    assert "all VO files together have more than 200000 keys and values" in problem


def test_one_file_of_very_many_values_holds_no_other_back(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """It is a broken file like others."""
    generated = generate(str(write_topology(A=entry(), B=f"x: [{'a,' * 100_000}]\n")), skip_broken=True)
    assert (generated.mapfile.vos, generated.mapfile.broken) == (1, ("B.yaml",))


def test_aliases_where_nothing_is_read_are_no_problem(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """Real VO files repeat lists of caches by aliases."""
    text = entry() + "DataFederations:\n- AllowedCaches: &caches\n  - ONE\n- AllowedCaches: *caches\n"
    assert len(generate(str(write_topology(A=text))).mapfile.rules) == 1


def test_entries_that_aliases_repeat_are_refused(write_topology: WriteTopology) -> None:
    """A few lines of aliases could unfold to billions of entries."""
    text = "x: &x {URL: https://a.example.org, DefaultUnixUser: a}\nCredentials: {TokenIssuers: [*x]}\n"
    problem, *_ = problems_of(write_topology(A=text))
    assert "a value that aliases repeat" in problem
