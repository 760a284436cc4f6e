"""The results of tests in the form that CI systems read, JUnit's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET  # it parses nothing  # nosec B405

if TYPE_CHECKING:
    from vomap.mapfile.policy_tests import PolicyTestResult

# What XML 1.0 has no way to write (section 2.2).
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[PolicyTestResult], explained: Sequence[str]) -> bytes:
    """Return the XML document: a case for each result, and, where one differs, how it is explained.

    A test that a ban changes has passed, and says so in what it printed.
    """
    failed = sum(not result.passed for result in results)
    counts = {"tests": str(len(results)), "failures": str(failed), "errors": "0"}
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": "vomap test", **counts})
    for result, text in zip(results, explained):
        place = result.test.place
        names = {"classname": _legal(place.file), "name": _legal(f"{place.file}:{place.line}")}
        case = ET.SubElement(suite, "testcase", names)
        if not result.passed:
            told = {"message": _legal("; ".join(result.differences)), "type": "difference"}
            ET.SubElement(case, "failure", told).text = _legal(text)
        elif result.banned:
            ET.SubElement(case, "system-out").text = _legal(text)
    return bytes(ET.tostring(suites, encoding="utf-8", xml_declaration=True)) + b"\n"


def _legal(text: str) -> str:
    return _NO_XML.sub(lambda found: ascii(found[0])[1:-1], text)
