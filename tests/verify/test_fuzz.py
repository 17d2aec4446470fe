"""Whatever a page says, it is read, or refused in one line; and whatever was seen of it can be told."""

from __future__ import annotations

import io
import json
import os
import re
import time
import traceback
import xml.etree.ElementTree as xml
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from markdown_it import MarkdownIt
from mutating import Mutated, mutated

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.locks import Lock
from migration_cookbook.verify.judging.expecting import add_complaints
from migration_cookbook.verify.judging.judge import judge, placeholder
from migration_cookbook.verify.reading import read_text
from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.verify.report import REPORT_FORMATS, terminal
from migration_cookbook.verify.report.run import VerificationRun
from migration_cookbook.verify.values.checked import Checked
from migration_cookbook.verify.values.outcome import Refusal, Trial
from migration_cookbook.verify.values.snippet import Form, Snippet

if TYPE_CHECKING:
    from collections.abc import Iterator

#: `COOKBOOK_SEED`, which a failure prints, brings its page back.
SEED = os.environ.get("COOKBOOK_SEED")
#: Processor time, which a busy computer doesn't stretch.
SECONDS_A_PAGE = 2.0
VERSIONS = {Dialect.SQLITE: "3.40.1", Dialect.POSTGRES: "18.6"}
#: What may not get into a terminal or a page, written out apart from what the reports use.
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


@pytest.mark.parametrize("part", range(4))
def test_a_damaged_page_is_read_or_refused_and_told(part: int) -> None:
    """Some thousand pages in all, for five seconds each."""
    seeds = [SEED] if SEED else (f"{part}-{number}" for number in range(100_000))
    started = time.process_time()
    tried = 0
    for seed in seeds:
        hold(seed)
        tried += 1
        if time.process_time() - started > 5:
            break
    assert tried == 1 if SEED else tried > 20


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_damaged_pages(part: int) -> None:
    for number in range(1000):
        hold(f"long {part}-{number}")


def hold(seed: str) -> None:
    """Read the page of a seed and tell it, in each form."""
    page = mutated(seed)
    started = time.process_time()
    try:
        hold_page(page)
        took = time.process_time() - started
        assert took < SECONDS_A_PAGE, f"it took {took:.1f} s"
    except Exception as error:
        where = "".join(traceback.format_exception(error)[-6:])
        pytest.fail(
            f"COOKBOOK_SEED='{seed}': {page.name} of {len(page.content)} bytes\n{where}", pytrace=False
        )


def hold_page(page: Mutated) -> None:
    try:
        snippets = read_text(page.name, page.content)
    except PageMistake as mistake:
        assert re.match(r"page\.\w+:\d+: .", str(mistake)), str(mistake)
        assert "\n" not in str(mistake)
        assert not OBEYED.search(str(mistake)), repr(str(mistake))
        snippets = ()
    for snippet in snippets:
        assert 0 < snippet.line <= page.content.count(b"\n") + page.content.count(b"\r") + 1
    told = [*snippets[:4], as_it_is(page)]
    check_reports(tuple(checked(one, page.text) for one in told), page.text)


def as_it_is(page: Mutated) -> Snippet:
    """A snippet whose every word is the stranger's, as no reader makes one."""
    words = page.text[:300]
    return Snippet(
        f"{words[:40]}.md",
        1,
        words[:30],
        Form.OPERATIONS,
        page.text[:3000],
        name=words[50:],
        skip=None,
        given=words,
    )


def checked(snippet: Snippet, text: str) -> Checked:
    """What a trial may report: anything."""
    placeholder(snippet)
    words = tuple(text[start : start + 300] for start in range(0, 1500, 300))
    trial = Trial(
        "up",
        Refusal(words[0][:20], text[-2000:], None, words[1]),
        sent=words,
        sent_down=words,
        assumed=words,
        printed=words[:1],
        left=words,
        unusable=words,
        offline=words,
        doubtful=words,
        locks=(Lock(words[0], words[1], True, words),),
    )
    findings = {dialect: judge(snippet, dialect, trial) for dialect in BOTH}
    return add_complaints(Checked(snippet, findings), VERSIONS)


def check_reports(all_checked: tuple[Checked, ...], text: str) -> None:
    skipped = tuple(replace(one, snippet=replace(one.snippet, skip=text[:200])) for one in all_checked[:1])
    run = VerificationRun((*all_checked, *skipped), VERSIONS, (text[:500],), show_sql=True)
    stream = io.StringIO()
    with redirect_stdout(stream):
        terminal.print_report(run)
    told = {name: form(run) for name, form in REPORT_FORMATS.items()} | {"terminal": stream.getvalue()}
    for name, report in told.items():
        found = OBEYED.search(report)
        assert found is None, f"{name}: {report[max(0, found.start() - 60) : found.end()]!r}"
        report.encode()
    json.loads(told["json"])
    xml.fromstring(told["junit"])
    assert list(strange_tokens(told["markdown"])) == []


def strange_tokens(report: str) -> Iterator[str]:
    """What a stranger made in the Markdown report: links, pictures, HTML, mentions, headings of their own."""
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    headings = r"Snippets on |Pages that|Not as declared|With a warning|What was sent|Locks|Skipped|.*:\d+$"
    tokens = parser.parse(report)
    for number, token in enumerate(tokens):
        if token.type in ("html_block", "code_block", "blockquote_open", "hr", "ordered_list_open"):
            yield f"{token.type}: {token.content!r}"
        if token.type == "heading_open" and not re.match(headings, _plain(tokens[number + 1].children or [])):
            yield f"heading: {tokens[number + 1].content!r}"
        if token.type == "fence" and not re.fullmatch(r"[\w+-]*", token.info):
            yield f"fence: {token.info!r}"
        for child in token.children or []:
            if child.type in ("link_open", "image", "html_inline", "em_open", "strong_open", "s_open"):
                if child.type != "strong_open":
                    yield f"{child.type}: {token.content!r}"
            elif child.type == "text" and re.search(r"@\w|https?://|www\.|#\d", child.content):
                yield f"text: {child.content!r}"


def _plain(children: list) -> str:
    return "".join(child.content for child in children)
