"""Render a report as JUnit's XML for a build server: a suite a file, a case a snippet and database."""

from __future__ import annotations

import re
import xml.etree.ElementTree as xml
from itertools import groupby
from typing import TYPE_CHECKING

from migration_cookbook.verify.report.details import sections
from migration_cookbook.verify.report.run import Mark
from migration_cookbook.verify.report.titles import title, truncate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.verify.report.run import VerificationRun
    from migration_cookbook.verify.values.checked import Checked

#: What XML 1.0 can't hold, not even escaped.
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(run: VerificationRun) -> str:
    """The whole run as one document."""
    suites = [
        _suite(file, [case for checked in group for case in _cases(run, checked)])
        for file, group in groupby(run.checked, key=lambda checked: checked.snippet.file)
    ]
    if problems := [*run.mistakes, *([] if run.checked or run.mistakes else [run.count_line()])]:
        suites.append(_suite("cookbook verify", [_mistake(problem) for problem in problems]))
    whole = xml.Element("testsuites", name="cookbook verify")
    whole.attrib.update(_counts(suites))
    whole.extend(suites)
    xml.indent(whole)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + xml.tostring(whole, encoding="unicode")


def _suite(name: str, cases: list[xml.Element]) -> xml.Element:
    suite = xml.Element("testsuite", name=_clean(name))
    suite.extend(cases)
    suite.attrib.update(_counts([suite]))
    return suite


def _counts(suites: list[xml.Element]) -> dict[str, str]:
    counted = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    return {key: str(sum(len(list(suite.iter(name))) for suite in suites)) for key, name in counted.items()}


def _cases(run: VerificationRun, checked: Checked) -> Iterator[xml.Element]:
    for dialect in run.dialects:
        yield _case(run, checked, dialect)
    if not run.findings(checked) and checked.complaints:
        case = xml.Element("testcase", name=_name(checked), classname=_clean(checked.snippet.file))
        xml.SubElement(case, "failure", message=_clean(checked.complaints[0]))
        yield case


def _case(run: VerificationRun, checked: Checked, dialect: Dialect) -> xml.Element:
    snippet = checked.snippet
    name = f"{_name(checked)} on {dialect.title}"
    case = xml.Element(
        "testcase",
        name=name,
        classname=_clean(snippet.file),
        file=_clean(snippet.file),
        line=str(snippet.line),
    )
    mark = run.mark(checked, dialect)
    if mark is Mark.SKIPPED:
        xml.SubElement(case, "skipped", message=_clean(snippet.skip or f"not meant for {dialect.title}"))
        return case
    lines = list(_lines(run, checked, dialect))
    if mark is Mark.NOT_AS_DECLARED:
        failure = xml.SubElement(case, "failure", message=_clean(lines[0]), type=run.word(checked, dialect))
        failure.text = _clean("\n".join([f"{snippet.place}", snippet.text, "", *lines]))
    elif len(lines) > 1 and (run.show_sql or mark is Mark.WARNED):
        xml.SubElement(case, "system-out").text = _clean("\n".join(lines))
    return case


def _lines(run: VerificationRun, checked: Checked, dialect: Dialect) -> Iterator[str]:
    """The sentence first, then all else that was seen on this database."""
    for section in sections(run, checked, sql=True, only=dialect):
        yield section.sentence
        yield from (f"Warning: {line}" for line in section.warnings)
        yield from (f"Better: {line}" for line in section.better)
        yield from (f"Lock: {line}" for line in section.locks)
        for label, lines in section.texts:
            yield f"{label}:"
            yield from lines


def _mistake(problem: str) -> xml.Element:
    case = xml.Element("testcase", name=_clean(problem), classname="cookbook verify")
    xml.SubElement(case, "error", message=_clean(problem))
    return case


def _name(checked: Checked) -> str:
    return _clean(f"line {checked.snippet.line}: {truncate(title(checked.snippet), 80)}")


def _clean(text: str) -> str:
    return _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)
