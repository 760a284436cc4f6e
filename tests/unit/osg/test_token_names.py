"""The names of child VOs in their parent's tokens come from the data and from reviewed exceptions."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from osg_mapfile import generate
from vomap.osg.files import TopologyError
from vomap.osg.token_names import TokenNames, read_exceptions, token_name

WriteTopology = Callable[..., Path]
WriteEntry = Callable[..., str]


def child(*groups: str, parent: str = "Fermilab") -> str:
    """Write the VO file of a child VO with these reporting groups."""
    return f"ParentVO: {{Name: {parent}}}\nReportingGroups: [{', '.join(groups)}]\n"


def reporting_groups(**fqans: list[str]) -> str:
    """Write REPORTING_GROUPS.yaml: for each group the group names of its FQANs."""
    lines = [f"{name}: {{FQANs: [{', '.join(f'{{GroupName: {g}}}' for g in names)}]}}" for name, names in fqans.items()]
    return "\n".join(lines)


def names_of(source: Path, *multi_vos: str) -> TokenNames:
    """Return the names of the one issuer that speaks for several VOs."""
    generated = generate(str(source), multi_vos=multi_vos)
    (names,) = [issuer.names for issuer in generated.mapfile.issuers if issuer.names]
    return names


@pytest.mark.parametrize(
    ("fqan", "name"),
    [
        ("/fermilab/uboone", "uboone"),
        ("fermilab/captmnv", "captmnv"),
        ("/fermilab/argoneut/Role=Analysis", "argoneut"),
        ("/fermilab/mars/gm2", "mars"),
        ("/fermilab/nova/", "nova"),
        ("/fermilab", None),
        ("/fermilab/", None),
        ("/fermilab/Role=Production", None),
        ("/fermilab/Capability=NULL", None),
        ("/des/production", None),
        ("/fermilabx/nova", None),
        ("", None),
    ],
)
def test_the_part_after_the_parents_group_is_the_name(fqan: str, name: str | None) -> None:
    """`/fermilab/uboone` is `uboone`, however untidy the rest."""
    assert token_name(fqan, "fermilab") == name


def test_the_names_of_children(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """A child has the names under which it reports, the parent has its own group, a child without a name is listed."""
    source = write_topology(
        Fermilab=entry(URL="https://cilogon.org/fermilab"),
        MicroBooNE=child("microboone"),
        mars=child("mars", "marsgm2"),
        FermiGrid=child("fermilab"),
        Lost=child("nowhere"),
        NoGroups="ParentVO: {Name: Fermilab}\n",
        Template="ParentVO: {Name: Fermilab}\nReportingGroups: {ReportingGroup: {Name: null}}\n",
        Other=child("other", parent="IceCube"),
        REPORTING_GROUPS=reporting_groups(
            microboone=["/fermilab/uboone", "/fermilab/uboone/Role=pilot"],
            mars=["/fermilab/mars"],
            marsgm2=["/fermilab/mars/gm2"],
            fermilab=["/fermilab"],
            other=["/fermilab/other"],
        ),
    )
    names = names_of(source)
    assert names.vos == {"fermilab": "Fermilab", "mars": "mars", "uboone": "MicroBooNE"}
    assert names.unnamed == ("FermiGrid", "Lost", "NoGroups", "Template")
    text = generate(str(source)).text
    assert "# FermiGrid, Lost, NoGroups, Template\n" in text
    assert "    vo-from: [scope-path, group]\n    vos:\n      fermilab: Fermilab\n" in text
    assert "      uboone: MicroBooNE\n    default-vo: Fermilab\n" in text


def test_a_role_may_be_written_in_any_way(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """Roles, null groups and groups without FQANs are passed over."""
    groups = (
        "a: {FQANs: [{GroupName: /fermilab/a, Role: /Role=NULL}, {GroupName: null, Role: x}, {Role: x}]}\n"
        "b: {FQANs: null}\nc: null\n"
    )
    source = write_topology(Fermilab=entry(), A=child("a", "b", "c"), REPORTING_GROUPS=groups)
    assert names_of(source).vos["a"] == "A"


def test_a_parent_is_found_without_case(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """VO names compare without case: `JLAB` is the parent `JLab`."""
    groups = reporting_groups(clas=["/jlab/clas12"])
    source = write_topology(JLab=entry(), CLAS12=child("clas", parent="JLAB"), REPORTING_GROUPS=groups)
    assert names_of(source, "jlab").vos == {"clas12": "CLAS12", "jlab": "JLab"}


def test_an_exception_adds_a_vo_that_is_no_child(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """DUNE is not a child of Fermilab, yet Fermilab's tokens name it. A reviewed entry says so."""
    source = write_topology(Fermilab=entry(), DUNE="{}")
    assert names_of(source).vos == {"dune": "DUNE", "fermilab": "Fermilab"}


def test_an_exception_for_a_vo_that_is_gone_is_a_warning(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """An exception whose VO is not in the source has no effect, and vomap reports it."""
    generated = generate(str(write_topology(Fermilab=entry())))
    assert generated.warnings == ("the exception dune: DUNE of Fermilab is left out: the source has no such VO",)
    assert "dune" not in generated.text


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"a": ["/fermilab/x"], "b": ["/fermilab/x"]}, "the token name x would mean A and B"),
        ({"a": ["/fermilab/fermilab"]}, "the token name fermilab would mean Fermilab and A"),
        ({"a": ["/fermilab/dune"]}, "the token name dune would mean A and DUNE"),
        ({"a": ["'/fermilab/x y'"]}, "a malformed part"),
        ({"a": ["/fermilab//x"]}, "a malformed part"),
        ({"a": ["/fermilab/.."]}, "a malformed part"),
        ({"a": ["[x]"]}, "expected a group such as"),
    ],
)
def test_a_name_for_two_vos_is_an_error(
    write_topology: WriteTopology, entry: WriteEntry, groups: dict[str, list[str]], words: str
) -> None:
    """A name that would mean two VOs, or that no group can have, is an error."""
    source = write_topology(
        Fermilab=entry(), DUNE="{}", A=child("a"), B=child("b"), REPORTING_GROUPS=reporting_groups(**groups)
    )
    with pytest.raises(TopologyError, match=words):
        generate(str(source))


@pytest.mark.parametrize("content", ["[a]", "a: text", "a: {FQANs: text}", "a: {FQANs: [text]}", "a: {}\na: {}", "["])
def test_broken_reporting_groups_are_an_error(write_topology: WriteTopology, entry: WriteEntry, content: str) -> None:
    """Without reporting groups the names are unknown, and skip_broken applies to VO files alone."""
    source = write_topology(Fermilab=entry(), REPORTING_GROUPS=content)
    with pytest.raises(TopologyError, match=r"^REPORTING_GROUPS\.yaml:"):
        generate(str(source), skip_broken=True)


def test_a_multi_vo_must_have_one_issuer(write_topology: WriteTopology) -> None:
    """With two issuers, or none, vomap cannot know which one speaks for the children."""
    entries = [f"{{URL: 'https://{host}.example.org', DefaultUnixUser: a}}" for host in "ab"]
    two = f"Credentials: {{TokenIssuers: [{', '.join(entries)}]}}\n"
    source = write_topology(Fermilab=two, Plain="{}")
    with pytest.raises(TopologyError, match=r"--multi-vo Fermilab: Fermilab\.yaml names 2 issuers"):
        generate(str(source))
    with pytest.raises(TopologyError, match=r"--multi-vo Plain: Plain\.yaml names 0 issuers"):
        generate(str(source), multi_vos=["Plain"])
    with pytest.raises(TopologyError, match="--multi-vo Gone: the source has no such VO"):
        generate(str(source), multi_vos=["Gone"])


def test_a_multi_vo_must_be_written(write_topology: WriteTopology, entry: WriteEntry) -> None:
    """A parent that is not among the chosen VOs is a contradiction if it was asked for, and nothing by default."""
    source = write_topology(Fermilab=entry(), A=entry(URL="https://a.example.org"))
    with pytest.raises(TopologyError, match="is not among the VOs to write: add --vo Fermilab"):
        generate(str(source), only=["A"], multi_vos=["Fermilab"])
    assert "vo-from" not in generate(str(source), only=["A"]).text


def test_the_shipped_exceptions() -> None:
    """The file that ships can be read, and holds what was reviewed."""
    assert read_exceptions() == {"Fermilab": {"dune": "DUNE"}}


@pytest.mark.parametrize("content", ["Fermilab: text", "Fermilab: {dune: [DUNE]}", "[", ""])
def test_broken_exceptions_are_an_error(content: str) -> None:
    """An exceptions file that vomap cannot read is an error."""
    with pytest.raises(TopologyError, match=r"exceptions\.yaml"):
        read_exceptions(content.encode())
