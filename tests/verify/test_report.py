"""Each form of report tells the same run, the same way each time, to those who read it."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as xml
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from processes import of_two_processes

from migration_cookbook.databases.dialects import BOTH, Dialect
from migration_cookbook.locks import Lock
from migration_cookbook.verify.judging.expecting import add_complaints
from migration_cookbook.verify.report import REPORT_FORMATS, terminal
from migration_cookbook.verify.report.run import Mark, VerificationRun
from migration_cookbook.verify.report.titles import title, truncate
from migration_cookbook.verify.values.checked import Checked
from migration_cookbook.verify.values.snippet import Expected, Form, Snippet
from migration_cookbook.verify.values.verdict import Finding, Verdict

VERSIONS = {Dialect.SQLITE: "3.40.1", Dialect.POSTGRES: "18.6"}
SYNTAX_ERROR = 'OperationalError: near "ALTER": syntax error'
WORLD = ("CREATE TABLE books (id INTEGER)", "INSERT INTO books VALUES (1)")


def snippet(line: int, text: str, **more: object) -> Snippet:
    return Snippet("docs/a|b<c>.md", line, "python", Form.OPERATIONS, text, **more)


def finding(dialect: Dialect, verdict: Verdict = Verdict.WORKS, message: str = "", **more: object) -> Finding:
    return Finding(dialect, verdict, message, **more)


def on_both(verdict: Verdict = Verdict.WORKS, message: str = "", **more: object) -> dict[Dialect, Finding]:
    return {dialect: finding(dialect, verdict, message, **more) for dialect in BOTH}


HELPER = Checked(snippet(3, "def helper(): ...", name="the helper"), on_both())
WORKING = Checked(
    snippet(10, "import sqlalchemy as sa\n\ndef upgrade():\n    op.drop_table('a`b|c')"),
    on_both(sent=("DROP TABLE a",), sent_down=("CREATE TABLE a (\n  id INTEGER\n)",), assumed=WORLD),
)
REFUSED = Checked(
    snippet(
        20, "op.alter_column('books', 'title', nullable=False)\n```\nop.more()", depends_on=(HELPER.snippet,)
    ),
    {
        Dialect.SQLITE: finding(
            Dialect.SQLITE,
            Verdict.FAILS,
            SYNTAX_ERROR,
            better=("`with op.batch_alter_table(…)` rebuilds",),
            assumed=WORLD,
        ),
        Dialect.POSTGRES: finding(
            Dialect.POSTGRES, sent=("ALTER TABLE books",), assumed=("CREATE TABLE books (id SERIAL)",)
        ),
    },
)
DECLARED = Checked(
    snippet(30, "op.execute('<&>')", expected={Dialect.SQLITE: Expected(Verdict.FAILS, "syntax error")}),
    {**on_both(), Dialect.SQLITE: finding(Dialect.SQLITE, Verdict.FAILS, SYNTAX_ERROR, better=("no news",))},
)
WARNED = Checked(
    snippet(40, "op.create_index('i', 't', ['c'])"),
    {**on_both(), Dialect.SQLITE: finding(Dialect.SQLITE, warnings=("postgresql_using is ignored",))},
)
LOCKED = Checked(
    snippet(50, "op.drop_column('a', 'b')"),
    {
        Dialect.POSTGRES: finding(
            Dialect.POSTGRES,
            locks=(
                Lock("books", "ACCESS EXCLUSIVE", True, ("SELECT", "INSERT", "UPDATE")),
                Lock("authors", "SHARE", False, ()),
                Lock("made_here", "SHARE", False, ("SELECT",), made=True),
            ),
        )
    },
)
SKIPPED = Checked(snippet(60, "op.create_table('<name>')", skip="a placeholder"), on_both(Verdict.NOT_RUN))
ALL = (HELPER, WORKING, REFUSED, DECLARED, WARNED, LOCKED, SKIPPED)


def run_of(*checked: Checked, **more: object) -> VerificationRun:
    return VerificationRun(tuple(add_complaints(one, VERSIONS) for one in checked), VERSIONS, **more)


RUN = run_of(*ALL, mistakes=("docs/bad.md:3: there is no `sqlight`",), unrelated_count=2, show_sql=True)


@pytest.mark.parametrize("form", ["terminal", *REPORT_FORMATS])
def test_every_form_tells_the_whole_run(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    if form == "terminal":
        terminal.print_report(RUN)
        told = capsys.readouterr().out
    else:
        told = REPORT_FORMATS[form](RUN)
    plain = {
        "html": lambda text: (
            re.sub(r"<[^>]+>", "", text).replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
        ),
        "junit": lambda text: " ".join([*xml.fromstring(text).itertext(), *_attributes(text)]),
        "json": lambda text: json.dumps(json.loads(text), ensure_ascii=False).replace('\\"', '"'),
        "markdown": lambda text: re.sub(r"\\(\W|_)", r"\1", text),
    }.get(form, lambda text: text)(told)
    for said in (
        SYNTAX_ERROR,
        "`with op.batch_alter_table(…)` rebuilds"
        if form != "html"
        else "with op.batch_alter_table(…) rebuilds",
        "postgresql_using is ignored",
        "docs/a|b<c>.md",
        "a placeholder",
        "op.execute('<&>')" if form != "html" else "op.execute(",
        "ALTER TABLE books",
        "CREATE TABLE books (id INTEGER)",
        "ACCESS EXCLUSIVE",
        "docs/bad.md:3: there is no",
    ):
        assert said in plain, said
    if form != "junit":
        assert RUN.count_line() in plain


def _attributes(text: str) -> list[str]:
    return [value for element in xml.fromstring(text).iter() for value in element.attrib.values()]


def test_a_report_is_the_same_in_another_process() -> None:
    """Python hashes texts otherwise there, so sets have another order."""
    said = of_two_processes(
        "import json\nfrom test_report import REPORT_FORMATS, RUN\n"
        "print(json.dumps({form: told(RUN) for form, told in REPORT_FORMATS.items()}))"
    )
    here = {form: told(RUN) for form, told in REPORT_FORMATS.items()}
    for form in REPORT_FORMATS:
        assert [json.loads(one)[form] for one in said] == [here[form], here[form]], form


@pytest.mark.parametrize("form", REPORT_FORMATS)
def test_a_report_doesnt_depend_on_which_database_was_done_first(form: str) -> None:
    other = [replace(one, findings=dict(reversed(one.findings.items()))) for one in RUN.checked]
    assert [list(one.findings) for one in other] != [list(one.findings) for one in RUN.checked]
    assert REPORT_FORMATS[form](replace(RUN, checked=tuple(other))) == REPORT_FORMATS[form](RUN)


def test_the_count_says_how_it_stands() -> None:
    assert RUN.count_line() == (
        "7 snippets in 1 file: 5 as declared, 1 not as declared, 1 skipped. "
        "1 page could not be read. 2 pieces of other text left out."
    )
    assert run_of(WORKING).count_line() == "1 snippet in 1 file: 1 as declared."
    assert run_of().count_line() == "No snippet was found, so nothing was checked."


@pytest.mark.parametrize(
    ("run", "good"),
    [
        (run_of(WORKING, DECLARED, WARNED, SKIPPED), True),
        (run_of(), False),
        (run_of(WORKING, REFUSED), False),
        (run_of(WORKING, mistakes=("a.md:1: x",)), False),
    ],
)
def test_good_means_found_and_all_as_declared(run: VerificationRun, good: bool) -> None:
    assert run.good is good
    assert json.loads(REPORT_FORMATS["json"](run))["good"] is good
    counted = xml.fromstring(REPORT_FORMATS["junit"](run)).attrib
    assert ((counted["failures"], counted["errors"]) == ("0", "0")) is good


def test_marks() -> None:
    marks = [[RUN.mark(one, dialect) for dialect in BOTH] for one in RUN.checked]
    fine, bad, warned, skipped = Mark.AS_DECLARED, Mark.NOT_AS_DECLARED, Mark.WARNED, Mark.SKIPPED
    assert marks == [
        [fine, fine],
        [fine, fine],
        [bad, fine],
        [fine, fine],
        [warned, fine],
        [skipped, fine],
        [skipped, skipped],
    ]
    assert len({mark.sign for mark in Mark}) == 4


@pytest.mark.parametrize("show_sql", [False, True])
def test_no_snippet_is_told_twice(show_sql: bool) -> None:
    parts = replace(RUN, show_sql=show_sql).parts
    places = [one.snippet.line for part in parts for one in part.checked]
    assert len(places) == len(set(places))
    assert [(part.heading, [one.snippet.line for one in part.checked]) for part in parts][:2] == [
        ("Not as declared", [20]),
        ("With a warning or a better way", [40]),
    ]
    assert [one.snippet.line for one in parts[2].checked] == ([3, 10, 30, 50] if show_sql else [50])


def test_the_terminal_tells_the_worst_last(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_report(replace(RUN, show_sql=False))
    told = capsys.readouterr().out
    assert told == "\n".join(line.rstrip() for line in told.splitlines()) + "\n"
    assert told.splitlines()[0] == "Snippets on SQLite 3.40.1 and PostgreSQL 18.6"
    row = next(line for line in told.splitlines() if "docs/a|b<c>.md:20" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "docs/a|b<c>.md:20",
        "op.alter_column('books', 'title', nullable=Fals…",
        "✗ fails",
        "✓ works",
    ]
    assert "the helper" in told
    assert "✓ as declared, ✗ not as declared, ! as declared, with a warning, – skipped" in told
    assert told.endswith(
        "\n".join(
            (
                "Not as declared:",
                "",
                "docs/a|b<c>.md:20",
                "    op.alter_column('books', 'title', nullable=False)",
                "    ```",
                "    op.more()",
                "  runs after docs/a|b<c>.md:3",
                f"  SQLite: it fails: {SYNTAX_ERROR}",
                "    better: `with op.batch_alter_table(…)` rebuilds",
                "    Assumed world:",
                "      CREATE TABLE books (id INTEGER);",
                "      INSERT INTO books VALUES (1);",
                "  PostgreSQL: works",
                "    SQL sent:",
                "      ALTER TABLE books;",
                "    Assumed world:",
                "      CREATE TABLE books (id SERIAL);",
                "",
                "docs/bad.md:3: there is no `sqlight`",
                RUN.count_line() + "\n",
            )
        )
    )


def test_equal_findings_are_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_report(run_of(WORKING, show_sql=True))
    told = capsys.readouterr().out
    assert told.count("SQLite and PostgreSQL: works") == 1
    assert told.count("DROP TABLE a;") == 1
    assert told.count("SQL sent on the way down:\n      CREATE TABLE a (\n        id INTEGER\n      );") == 1
    differing = replace(WORKING.findings[Dialect.POSTGRES], assumed=("CREATE TABLE a (id SERIAL)",))
    terminal.print_report(
        run_of(replace(WORKING, findings={**WORKING.findings, Dialect.POSTGRES: differing}), show_sql=True)
    )
    told = capsys.readouterr().out
    assert told.count("DROP TABLE a;") == 1
    assert "Assumed world, SQLite:\n" in told
    assert "Assumed world, PostgreSQL:\n      CREATE TABLE a (id SERIAL);" in told


def test_what_commands_print_stands_for_their_sql(capsys: pytest.CaptureFixture[str]) -> None:
    printed = ("$ alembic current", "0003 (head)")
    findings = on_both(sent=("CREATE TABLE alembic_version",), printed=printed)
    run = run_of(Checked(replace(snippet(1, "alembic current"), form=Form.COMMANDS), findings), show_sql=True)
    terminal.print_report(run)
    told = capsys.readouterr().out
    assert "    Printed:\n      $ alembic current\n      0003 (head)\n" in told
    assert "alembic_version" not in told
    assert "```text\n$ alembic current\n0003 (head)\n```" in REPORT_FORMATS["markdown"](run)


def test_locks_are_told_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.print_report(run_of(LOCKED))
    told = capsys.readouterr().out
    assert "    lock: ACCESS EXCLUSIVE on books, rewritten: SELECT, INSERT and UPDATE wait\n" in told
    assert "    lock: SHARE on authors: nobody waits\n" in told
    assert "made_here" not in told


def test_json_holds_all_that_was_seen() -> None:
    content = json.loads(REPORT_FORMATS["json"](RUN))
    assert content["databases"] == {"sqlite": "3.40.1", "postgres": "18.6"}
    refused = content["snippets"][2]
    assert (refused["file"], refused["line"], refused["as_declared"]) == ("docs/a|b<c>.md", 20, False)
    assert refused["complaints"] == [f"SQLite: it fails: {SYNTAX_ERROR}"]
    assert refused["depends_on"] == ["docs/a|b<c>.md:3"]
    assert list(refused["findings"]) == ["sqlite", "postgres"]
    assert refused["findings"]["sqlite"]["as_declared"] is False
    assert " ".join(refused["findings"]["sqlite"]) == (
        "as_declared verdict message sent sent_down printed warnings better assumed locks"
    )
    assert refused["findings"]["sqlite"]["assumed"] == list(WORLD)
    assert content["snippets"][3]["declared"]["sqlite"] == {
        "verdict": "fails",
        "message": "syntax error",
        "until": None,
    }
    assert content["snippets"][6]["declared"] == {"skip": "a placeholder"}
    assert content["snippets"][6]["findings"] == {}


def test_junit_counts_a_case_for_each_snippet_and_database() -> None:
    whole = xml.fromstring(REPORT_FORMATS["junit"](RUN))
    assert whole.attrib | {} == {
        "name": "cookbook verify",
        "tests": "15",
        "failures": "1",
        "errors": "1",
        "skipped": "3",
    }
    (failure,) = whole.iter("failure")
    assert failure.attrib == {"message": f"it fails: {SYNTAX_ERROR}", "type": "fails"}
    assert "op.alter_column('books'" in (failure.text or "")
    assert [case.attrib["line"] for case in whole.iter("testcase") if case.find("failure") is not None] == [
        "20"
    ]


def test_junit_survives_what_xml_can_not_hold() -> None:
    odd = Checked(snippet(1, "op.x('\x00\x1b\ud800\uffff')"), on_both(Verdict.FAILS, "a\x00b\ufffe"))
    (one, _) = xml.fromstring(REPORT_FORMATS["junit"](run_of(odd))).iter("failure")
    assert one.attrib["message"] == "it fails: a\\x00b\N{REPLACEMENT CHARACTER}"
    assert "op.x('\\x00\\x1b\\ud800\N{REPLACEMENT CHARACTER}')" in (one.text or "")


def test_markdown_is_shown_as_it_is_meant() -> None:
    told = REPORT_FORMATS["markdown"](RUN)
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(told)
    rows = sum(token.type == "tr_open" for token in tokens)
    assert rows == 1 + len(ALL)
    cells = [token.content for token in tokens if token.type == "inline" and token.level == 4]
    assert len(cells) == 4 * rows
    fences = [token.content for token in tokens if token.type == "fence"]
    assert REFUSED.snippet.text + "\n" in fences
    assert not any(token.type == "html_block" for token in tokens)


class _Page(HTMLParser):
    """Holds that each element is closed, and gathers what a reader needs."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.seen if tag == name]


def test_html_is_one_page_that_all_can_read() -> None:
    told = REPORT_FORMATS["html"](RUN)
    page = _Page()
    page.feed(told)
    assert page.open == []
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("caption")) == len(page.of("table")) == 1
    assert {each.get("scope") for each in page.of("th")} == {"col", "row"}
    assert "color-scheme: light dark" in told
    assert not re.search(r"https?:|src=|<script|<link|@import|url\(", told)
    anchors = {each["href"] for each in page.of("a")}
    assert anchors == {f"#{each['id']}" for each in page.of("section")}
    # The sign and the word say what the color does.
    assert '<td class="not_as_declared">✗ fails</td>' in told
    assert "<c>" not in told


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("op.drop_table('a')", "op.drop_table('a')"),
        (
            "# first\nfrom alembic import op\n\n\ndef upgrade() -> None:\n    op.drop_table( 'a' )",
            "op.drop_table( 'a' )",
        ),
        ("with op.batch_alter_table('a') as batch:\n    batch.drop_column('b')", "batch.drop_column('b')"),
        ("-- first\nBEGIN;\nSELECT 1", "SELECT 1"),
        ("# only\n# comments", "# only"),
        ("revision = '1'\ndown_revision: str = '0'\n\ndef downgrade():\n    pass", "pass"),
        ("", ""),
    ],
)
def test_the_words_of_a_title_say_something(text: str, words: str) -> None:
    assert title(snippet(1, text)) == words
    assert title(snippet(1, text, name="named")) == "named"
    assert title(snippet(1, text, name="cell 3")) == f"cell 3: {words}"


def test_a_long_title_is_shortened() -> None:
    assert truncate("abc", 3) == "abc"
    assert truncate("ab cdef", 4) == "ab…"
