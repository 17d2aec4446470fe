"""What an author declares behind the language; a mistake there is one line with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.verify.reading import read
from migration_cookbook.verify.reading.info import Declared, InfoMistake, read_info
from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.verify.values.snippet import Expected
from migration_cookbook.verify.values.verdict import Verdict
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from pathlib import Path


def declared(text: str) -> Declared:
    language, found = read_info(f"python {{{text}}}")
    assert language == "python"
    return found


def test_all_that_can_be_declared() -> None:
    found = declared(
        'sqlite="fails: syntax error" sqlite_until=3.53 postgres=outside skip="why" '
        'given="CREATE TABLE a (id int)" continue shows="000-05, X-E18" name="the first"'
    )
    assert found == Declared(
        expected={
            Dialect.SQLITE: Expected(Verdict.FAILS, "syntax error", "3.53"),
            Dialect.POSTGRES: Expected(Verdict.OUTSIDE),
        },
        skip="why",
        given="CREATE TABLE a (id int)",
        shows=("000-05", "X-E18"),
        name="the first",
        continues=True,
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("works", Expected(Verdict.WORKS)),
        ("fails", Expected(Verdict.FAILS)),
        ("'fails: near \"ALTER\": syntax error'", Expected(Verdict.FAILS, 'near "ALTER": syntax error')),
        (r'"fails: near \"ALTER\""', Expected(Verdict.FAILS, 'near "ALTER"')),
        (r'"fails: a \\ b"', Expected(Verdict.FAILS, "a \\ b")),
        ('"fails: with } and { inside"', Expected(Verdict.FAILS, "with } and { inside")),
        ('"needs context: table  a"', Expected(Verdict.NEEDS_CONTEXT, "table a")),
        ('"nothing ran"', Expected(Verdict.NOTHING_RAN)),
        ("placeholder", Expected(Verdict.PLACEHOLDER)),
        ('"outside: of a transaction"', Expected(Verdict.OUTSIDE, "of a transaction")),
        ('"Fails: x"', Expected(Verdict.FAILS, "x")),
    ],
)
def test_a_verdict_may_name_a_part_of_the_message(value: str, expected: Expected) -> None:
    assert declared(f"sqlite={value}").expected == {Dialect.SQLITE: expected}


@pytest.mark.parametrize(
    ("info", "language"),
    [
        ("", ""),
        ("python", "python"),
        ("Python", "python"),
        ("python{}", "python"),
        ('python title="migration.py"', "python"),
        ('python {title="a = {b}" hl_lines="2 3" linenums="1"}', "python"),
        ("{.python .annotate #id hl_lines=2}", "python"),
        ("jsx {1,4-6} showLineNumbers", "jsx"),
        ("python {7}", "python"),
        ("{python}", "python"),
        ("{python, echo=FALSE}", "python"),
        ("python,ignore", "python,ignore"),
        ('python {filename="encode.py"}', "python"),
        ("python {hl_lines=[2], linenos=inline}", "python"),
        ("python {4,8} theme={null}", "python"),
        ("python {all|4-9|10-13|all}", "python"),
        ("python {all}{maxHeight:'350px'}", "python"),
        ("python {it's}", "python"),
        ('sql {"type":"show","option":{"height":"520px"}}', "sql"),
        ("python {tier=A name=features}", "python"),
        ('py {title="a.py" test="skip" lint="skip"}', "py"),
        ("py { lineNos='true' wrap='true' }", "py"),
        ("{.python .echo #lst:one caption='One'}", "python"),
        ("bash { interactive=false }", "bash"),
        ("sql { #modal_ }", "sql"),
        ("python name=one", "python"),
    ],
)
def test_what_other_tools_write_declares_nothing(info: str, language: str) -> None:
    assert read_info(info) == (language, Declared())


def test_ours_may_stand_beside_theirs() -> None:
    declared = Declared(expected={Dialect.SQLITE: Expected(Verdict.FAILS)})
    assert read_info('python {.annotate #a title="x" sqlite=fails 1,3-5}') == ("python", declared)
    assert read_info("python {1,4-6} {sqlite=fails} theme={null}") == ("python", declared)


def test_a_declaration_needs_no_language() -> None:
    assert read_info("{continue}") == ("", Declared(continues=True))
    assert read_info("{.python skip=later}") == ("python", Declared(skip="later"))


@pytest.mark.parametrize(
    ("info", "said"),
    [
        ("{sqlight=fails}", "there is no `sqlight` to declare; did you mean `sqlite`?"),
        ("{sqlite=fails mood=good}", "there is no `mood` to declare; known are sqlite, postgres"),
        ("{mysql=fails}", "there is no `mysql` to declare; "),
        ("{only=sqlite}", "there is no `only` to declare; "),
        ("{on=mysql sqlite=fails}", "there is no database `mysql` here; write on=sqlite or on=postgres"),
        ("{reason='why'}", "there is no `reason` to declare; "),
        ("{.annotate} {sqlite=failes}", "declares no verdict"),
        ("{sqlite=fails} {sqlite=works}", "`sqlite` is declared twice"),
        ("{postgress_until=18}", "did you mean `postgres_until`?"),
        ("{sqlite=fails sqlite=works}", "`sqlite` is declared twice"),
        ("{continue continue}", "`continue` is declared twice"),
        ('{sqlite="fails}', 'the quotation mark " is never closed'),
        ("{sqlite='fails}", "the quotation mark ' is never closed"),
        ("{sqlite=fails", "the { is never closed; end the declaration with }"),
        ("{sqlite=failes}", "`sqlite=failes` declares no verdict; begin it with one of: works, fails"),
        ('{sqlite="not run"}', "declares no verdict"),
        ("{sqlite}", "`sqlite` needs a value"),
        ("{sqlite=}", "`sqlite=` has no value"),
        ("{sqlite= fails}", "`sqlite=` has no value"),
        ('{skip=""}', '`skip` needs a reason: skip="why it is not run"'),
        ("{skip}", "`skip` needs a reason"),
        ("{continue=yes}", "`continue` takes no value; write it alone"),
        ("{sqlite_until=3.53}", "`sqlite_until` says until when, and nothing says what; add sqlite=fails"),
        ("{sqlite=fails sqlite_until=soon}", "`sqlite_until=soon` is no version; write it like 3.53"),
        ("sqlite=fails", "put what is declared in braces: {sqlite=fails}"),
        ('{sqlite=fails ="x"}', "is not understood"),
    ],
)
def test_a_mistake_is_said(info: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InfoMistake) as mistake:
        read_info(f"python {info}")
    assert said in str(mistake.value)
    page = tmp_path / "page.md"
    page.write_text(f"Words.\n\n- ~~~python {info}\n  op.drop_table('a')\n  ~~~\n")
    with pytest.raises(PageMistake) as told:
        read(page)
    assert str(told.value).startswith(f"{page.as_posix()}:3: ")
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert isinstance(told.value, CookbookError)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("```python {continue}\nop.drop_table('a')\n```\n", 2, "no snippet stands before this one"),
        (
            "```text\nwords\n```\n\n```python {continue}\nop.drop_table('a')\n```\n",
            6,
            "no snippet stands before",
        ),
        ("```python {sqlite=fails}\n```\n", 2, "nothing in it is for Alembic or a database"),
        ("```yaml {sqlite=fails}\na: b\n```\n", 2, "nothing in it is for Alembic or a database"),
    ],
)
def test_what_would_declare_nothing_is_said(tmp_path: Path, text: str, line: int, said: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(PageMistake) as told:
        read(page)
    assert str(told.value).startswith(f"{page.as_posix()}:{line}: ")
    assert said in str(told.value)


def test_a_snippet_bears_what_is_declared(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '```python {sqlite=fails skip="later" given="a" shows=X-1 name=first on=sqlite}\nop.drop_table("a")\n```\n'
    )
    (snippet,) = read(page)
    assert snippet.expected == {Dialect.SQLITE: Expected(Verdict.FAILS)}
    assert snippet.on == (Dialect.SQLITE,)
    assert (snippet.skip, snippet.given, snippet.shows, snippet.name) == ("later", "a", ("X-1",), "first")
