"""Pages written to break the reader, the judge or a report: each is answered in one line, and soon."""

from __future__ import annotations

import io
import json
import os
import re
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nasty import TEXTS

from migration_cookbook.databases.dialects import BOTH
from migration_cookbook.verify.judging import advice
from migration_cookbook.verify.judging.expecting import add_complaints
from migration_cookbook.verify.judging.judge import judge, missing_context, placeholder
from migration_cookbook.verify.reading import read, read_text
from migration_cookbook.verify.reading.files import decoded, files_of
from migration_cookbook.verify.reading.info import InfoMistake, read_info
from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.verify.reading.page_file import longest
from migration_cookbook.verify.report import REPORT_FORMATS, terminal
from migration_cookbook.verify.report.run import VerificationRun
from migration_cookbook.verify.report.titles import title
from migration_cookbook.verify.trial import script
from migration_cookbook.verify.values.checked import Checked
from migration_cookbook.verify.values.outcome import Refusal, Trial
from migration_cookbook.verify.values.snippet import Expected, Form, Snippet, extensions_made
from migration_cookbook.verify.values.verdict import Finding, Verdict
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from collections.abc import Callable

#: Of the processor. A quiet computer needs less than two; what grows with the square takes minutes.
SECONDS = 4.0
VERSIONS = dict.fromkeys(BOTH, "1")
FORMS = (Form.OPERATIONS, Form.SQL, Form.INI)


def in_fence(language: str) -> Callable[[str], object]:
    return lambda text: read_text("a.md", f"~~~~~~~~{language}\n{text}\n~~~~~~~~\n".encode())


def in_notebook(kind: str) -> Callable[[str], object]:
    return lambda text: read_text(
        "a.ipynb", json.dumps({"cells": [{"cell_type": kind, "source": text}]}).encode()
    )


def in_pieces(text: str) -> object:
    cells = [{"cell_type": "code", "source": [text[n : n + 2] for n in range(0, len(text), 2)]}]
    return read_text("a.ipynb", json.dumps({"cells": cells}).encode())


def in_docstring(text: str) -> object:
    return read_text("a.py", f'"""{text.replace(chr(34), "")}\n"""\n'.encode())


def in_info(text: str) -> object:
    return read_text("a.md", f"```python {text}\n1\n```\n".replace(text, text.replace("\n", " ")).encode())


def run_of(text: str) -> VerificationRun:
    several = (text, text)
    findings = {
        dialect: Finding(dialect, Verdict.FAILS, text, several, (text,), (), several, (text,), (text,))
        for dialect in BOTH
    }
    snippet = Snippet(f"{text[:200]}.md", 1, "python", Form.OPERATIONS, text, name=text[:500], given=text)
    checked = add_complaints(Checked(snippet, findings), VERSIONS)
    return VerificationRun((checked,), VERSIONS, mistakes=(text,), show_sql=True)


def on_terminal(run: VerificationRun) -> str:
    stream = io.StringIO()
    with redirect_stdout(stream):
        terminal.print_report(run)
    return stream.getvalue()


def snippet(text: str, form: Form = Form.OPERATIONS) -> Snippet:
    return Snippet("a.md", 1, "python", form, text)


def refused(text: str) -> list[Finding]:
    trial = Trial("up", Refusal("Error", text, None, text), left=(text,), doubtful=(text,), offline=(text,))
    return [judge(snippet(text), dialect, trial) for dialect in BOTH]


READING: dict[str, Callable[[str], object]] = {
    **{
        suffix: lambda text, suffix=suffix: read_text(f"a.{suffix}", text.encode())
        for suffix in ("md", "py", "sql", "ini", "toml", "ipynb")
    },
    **{
        f"fence of {name or 'nothing'}": in_fence(name) for name in ("", "python", "sql", "bash", "ini", "md")
    },
    "cell": in_notebook("code"),
    "cell of Markdown": in_notebook("markdown"),
    "cell in pieces": in_pieces,
    "docstring": in_docstring,
    "fence's first line": in_info,
    "info": lambda text: read_info(f"python {text[:20_000]}"),
    "info in braces": lambda text: read_info(f"python {{{text[:19_000]}"),
    "extensions": extensions_made,
}
JUDGING: dict[str, Callable[[str], object]] = {
    "placeholder": lambda text: [placeholder(snippet(text, form)) for form in FORMS],
    "missing context": lambda text: [
        missing_context(Refusal(kind, text)) for kind in ("", "NameError", "KeyError", "ImportError")
    ],
    "judge": refused,
    "what is left": lambda text: [
        judge(snippet("1"), dialect, Trial("done", left=(text,))) for dialect in BOTH
    ],
    "advice": lambda text: [
        [*advice.better_ways(text, dialect, text), *advice.ignored(text, dialect)] for dialect in BOTH
    ],
    "statements": script.statements,
    "parse": script.parse,
}
TELLING: dict[str, Callable[[str], object]] = {
    **{name: lambda text, form=form: form(run_of(text)) for name, form in REPORT_FORMATS.items()},
    "terminal": lambda text: on_terminal(run_of(text)),
}
#: Each of these took from 3 seconds to several minutes.
SLOW = (
    *("an open quote", "words and open quotes", "odd quotes", "'{' only", "open braces in quotes", "keys"),
    *("different groups", "templates", "functions", "blank lines and a word", "WITH", "SET", "a long host"),
    *(
        "comments of SQL",
        "semicolons in quotes",
        "a trigger",
        "definitions",
        "ellipses",
        "doctests apart",
        "fails",
        "operations",
    ),
    *(
        "an f-string",
        "extensions",
        "lazy quotes",
        "deeper lists",
        "margins",
        "a number",
        "'\\n' only",
        "'\\t' only",
    ),
)


def hold_to_its_time(functions: dict[str, Callable[[str], object]], text: str) -> None:
    took = {}
    for name, function in functions.items():
        started = time.process_time()
        try:
            function(text)
        except (PageMistake, InfoMistake, script.NotPython) as mistake:
            assert len(str(mistake)) < 1000
        took[name] = time.process_time() - started
    assert {name: seconds for name, seconds in took.items() if seconds > SECONDS} == {}


@pytest.mark.parametrize("name", SLOW)
def test_what_was_slow_is_quick(name: str) -> None:
    hold_to_its_time(READING | JUDGING | TELLING, TEXTS[name])


@pytest.mark.long
@pytest.mark.parametrize("functions", [READING, JUDGING, TELLING], ids=["reading", "judging", "telling"])
@pytest.mark.parametrize("name", TEXTS)
def test_no_text_takes_long(name: str, functions: dict[str, Callable[[str], object]]) -> None:
    hold_to_its_time(functions, TEXTS[name])


def test_many_snippets_that_need_each_other_are_read_soon() -> None:
    chain = "".join(
        f"```python\na{n} = {' + '.join(f'a{m}' for m in range(n))}\n```\n" for n in range(1, 120)
    )
    page = "```python\na0 = 1\n```\n" + chain
    started = time.process_time()
    found = read_text("a.md", page.encode())
    assert time.process_time() - started < SECONDS
    assert [len(one.depends_on) for one in found] == list(range(120))


def test_snippets_that_would_fill_the_memory_are_refused() -> None:
    page = f"```python {{continue}}\n{'a' * 400} = 1\n```\n" * 3000
    with pytest.raises(
        PageMistake, match=r"^a\.md:\d+: too much of this page runs again .*split the page\.$"
    ):
        read_text("a.md", page.replace(" {continue}", "", 1).encode())


NUL_IN_CELL = '{"cells": [{"cell_type": "code", "source": ["\\n", "op.a(\'\\u0000\')"]}]}'
#: By name of the file: what is in it, the line that is named, and what is said.
BREAKING: dict[str, tuple[str, bytes, int, str]] = {
    "an integer in a notebook": (
        "a.ipynb",
        b'{"nbformat": ' + b"9" * 5000 + b"}",
        1,
        "no notebook of format 4",
    ),
    "half a pair in a cell": (
        "a.ipynb",
        b'{"cells": [{"cell_type": "code",\n"source": ["op.a()\\n",\n"op.a(\'\\ud800\')"]}]}',
        3,
        r"half of a surrogate pair, \\ud800",
    ),
    "NUL in a cell": ("a.ipynb", NUL_IN_CELL.encode(), 1, "a NUL byte"),
    "half a pair in a docstring": (
        "a.py",
        b'"""\n```python\nop.a()\nop.a("\\ud800")\n```\n"""\n',
        4,
        r"half of a surrogate pair, \\ud800",
    ),
    "an integer for a version": (
        "a.md",
        b"```python {sqlite=fails sqlite_until=" + b"9" * 5000 + b"}\n1\n```\n",
        1,
        "is no version",
    ),
    "rot13": ("a.py", b"# coding: rot13\n", 1, "can't be read as rot13. Save the file as UTF-8"),
    "undefined": ("a.py", b"# coding: undefined\n", 1, "can't be read as undefined. Save the file as UTF-8"),
    "hex": ("a.py", b"# coding: hex\n", 1, "can't be read as hex. Save the file as UTF-8"),
    "punycode": ("a.py", b"# coding: punycode\n", 1, "can't be read as punycode. Save the file as UTF-8"),
    "escapes": ("a.py", b"# coding: unicode_escape\n", 1, "can't be read as unicode_escape. Save the file"),
    "no encoding": ("a.py", b"# coding: nothing\n", 1, "Save the file as UTF-8"),
    "directives": (
        "a.md",
        b"\n".join(b"`" * n + b"{note}" for n in range(353, 3, -1))
        + b"\n"
        + b"\n".join(b"`" * n for n in range(4, 354)),
        18,
        "in more than 16 directives; take some of them away",
    ),
    "admonitions": (
        "a.md",
        b"\n".join(b"    " * n + b"!!! note" for n in range(350)),
        18,
        "more than 16 directives",
    ),
    "NUL": ("a.md", b"one\ntwo \x00\n", 2, "a NUL byte, so it isn't text; take it out, or save as UTF-8"),
    "UTF-16": ("a.sql", "SELECT 1;".encode("utf-16-le"), 1, "a NUL byte"),
    "deep JSON": ("a.ipynb", b"[" * 100_000 + b"]" * 100_000, 1, "nested too deeply"),
    "deep JSON in objects": ("a.ipynb", b'{"cells":' * 100_000, 1, "nested too deeply"),
    "a source that's a number": (
        "a.ipynb",
        b'{"cells": [{"cell_type": "code", "source": 5}]}',
        1,
        "of cell 1 isn't text",
    ),
    "a source that's null": ("a.ipynb", b'{"cells": [{"source": null}]}', 1, "of cell 1 isn't text"),
    "a source with an object": ("a.ipynb", b'{"cells": [{"source": ["a", {}]}]}', 1, "of cell 1 isn't text"),
    "cells that are an object": ("a.ipynb", b'{"cells": {}}', 1, "no notebook of format 4"),
    "cells that are texts": ("a.ipynb", b'{"cells": ["a"]}', 1, "no notebook of format 4"),
    "no object": ("a.ipynb", b'"cells"', 1, "no notebook of format 4"),
}
DEEP = {
    "sums": "+".join("1" * 5000),
    "strings": "+".join(["'a'"] * 5000),
    "nots": "not " * 5000 + "1",
    "lambdas": "lambda: " * 5000 + "1",
    "minuses": "-" * 5000 + "1",
    "brackets": "[" * 5000 + "]" * 5000,
    "parentheses": "(" * 5000 + "1" + ")" * 5000,
    "open parentheses": "(" * 5000,
    "attributes": "a" + ".b" * 5000,
    "calls": "a" + "()" * 5000,
    "subscripts": "a" + "[0]" * 5000,
    "powers": "**".join("1" * 5000),
    "conditions": "1 if 1 else " * 5000 + "1",
    "fields": "f'{" + "(" * 250 + "1" + ")" * 250 + "}'",
    "some sums": "+".join("1" * 900),
    "some nots": "not " * 900 + "1",
    "some attributes": "a" + ".b" * 900,
}


@pytest.mark.parametrize("name", BREAKING)
def test_a_page_that_can_not_be_read_is_one_mistake(name: str) -> None:
    file, content, line, said = BREAKING[name]
    with pytest.raises(PageMistake) as caught:
        read_text(file, content)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert said.replace("\\\\", "\\") in str(caught.value)


@pytest.mark.parametrize("name", DEEP)
def test_python_that_is_too_deep_is_one_mistake(name: str) -> None:
    text = f"x = 1\nop.execute({DEEP[name]})\n"
    message = r":{}: this Python is nested too deeply to be read; split the expression\.$"
    with pytest.raises(PageMistake, match=r"^a\.md" + message.format(4)):
        read_text("a.md", f"# A\n\n```python\n{text}```\n".encode())
    with pytest.raises(PageMistake, match=r"^a\.py" + message.format(1)):
        read_text("a.py", f"def upgrade():\n    op.execute({DEEP[name]})\n".encode())
    with pytest.raises(PageMistake, match=r"^a\.py" + message.format(3)):
        read_text("a.py", f'"""\n```python\n{text}```\n"""\n'.encode())
    assert placeholder(snippet(text)) is None


def test_deep_text_of_another_language_is_left_out() -> None:
    (found,) = read_text("a.md", f"```text\n{'(' * 5000}\n```\n".encode())
    assert found.form is Form.UNRELATED


@pytest.mark.parametrize(
    "text", ["op.a(0x" + "f" * 5000 + ")", "@x.register_operation(0x" + "f" * 5000 + ")\nclass A: pass"]
)
def test_a_long_number_is_read(text: str) -> None:
    assert [one.text for one in read_text("a.md", f"```python\n{text}\n```\n".encode())] == [text]
    assert len(read_text("a.py", f"{text}\n".encode())) <= 1


def test_a_page_with_a_mistake_leaves_the_others_be(tmp_path: Path) -> None:
    from migration_cookbook.verify.command import collect
    from migration_cookbook.verify.process.checking import Settings
    from migration_cookbook.verify.process.pages import PageReader
    from migration_cookbook.verify.process.trust import Trust

    for number, (file, content, _, _) in enumerate(BREAKING.values()):
        (tmp_path / f"{number}{Path(file).suffix}").write_bytes(content)
    (tmp_path / "good.md").write_text("```python\nop.a()\n```\n")
    with PageReader(Trust(named=(tmp_path.resolve(),))) as reader:
        found = collect([tmp_path], Settings(None), reader)  # type: ignore[arg-type]  # reading needs no workspace
    assert [one.text for one in found.snippets] == ["op.a()"]
    assert len(found.mistakes) == len([one for one in BREAKING.values() if not one[0].endswith(".sql")])


@pytest.mark.parametrize(("name", "most"), [("a.md", 2), ("a.py", 2), ("a.ipynb", 10)])
def test_a_page_that_is_too_long_is_refused_unread(tmp_path: Path, name: str, most: int) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        # It has no more than this on the disk.
        file.truncate(12_000_000_000)
    said = rf"{name}:1: this page has more than {most} MB, the most that is read; split it\.$"
    with pytest.raises(PageMistake, match=said):
        read(path)
    with pytest.raises(PageMistake, match=said):
        decoded(path, b" " * (longest(path) + 1))


def test_what_is_no_plain_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "null.md").symlink_to("/dev/null")
    for name in ("pipe.md", "null.md"):
        with pytest.raises(CookbookError, match=rf"{name} isn't a plain file\. Name a page or a folder\.$"):
            read(tmp_path / name)
    # In a folder they are no pages.
    assert files_of(tmp_path) == ()


def test_a_pipe_that_takes_the_place_of_a_page_is_refused(tmp_path: Path) -> None:
    from migration_cookbook.verify.reading.files import content_of

    os.mkfifo(tmp_path / "a.md")
    with pytest.raises(CookbookError, match=r"a\.md isn't a plain file"):
        content_of(tmp_path / "a.md")
    with pytest.raises(CookbookError, match=r"gone\.md can't be read: No such file or directory\.$"):
        content_of(tmp_path / "gone.md")


def test_a_page_is_read_from_the_bytes_at_hand(tmp_path: Path) -> None:
    content = b"```python\nop.a()\n```\n"
    (found,) = read_text((tmp_path / "nowhere.md").as_posix(), content)
    assert (found.text, found.line) == ("op.a()", 2)
    assert decoded(Path("a.py"), b"# coding: latin-1\n\xe4") == "# coding: latin-1\nä"


#: A clipboard is written, the screen cleared, a line begun anew, text turned, and hidden.
ATTACK = "\x1b]52;c;YQ==\x07\x9b2J\x1b[2K\r\u202eab\u2066\u2028\x7f\x00\x85\ud800\U000e0041\u200b"
SHOWN = r"\x1b]52;c;YQ==\x07\x9b2J\x1b[2K\r\u202eab\u2066\u2028\x7f\x00\x85\ud800\U000e0041\u200b"
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0041]"
)


def attacking_run() -> VerificationRun:
    text = f"first{ATTACK}\nsecond"
    several = (text, text)
    one = Snippet(
        f"a{ATTACK}\n.md",
        1,
        f"py{ATTACK}",
        Form.OPERATIONS,
        text,
        name=text,
        expected={dialect: Expected(Verdict.FAILS, text, text) for dialect in BOTH},
        given=text,
        shows=several,
        answers=several,
    )
    findings = {
        dialect: Finding(
            dialect, Verdict.NOT_DECIDED, text, several, several, several, several, several, several
        )
        for dialect in BOTH
    }
    skipped = Snippet("b.md", 1, "sql", Form.SQL, text, skip=text, depends_on=(one,))
    checked = (Checked(one, findings, several), Checked(skipped, {}, ()))
    return VerificationRun(checked, dict.fromkeys(BOTH, text), several, show_sql=True)


@pytest.mark.parametrize("form", ["terminal", *REPORT_FORMATS])
def test_control_characters_are_shown_in_every_report(form: str) -> None:
    run = attacking_run()
    told = on_terminal(run) if form == "terminal" else REPORT_FORMATS[form](run)
    assert OBEYED.search(told) is None
    plain = told.replace("\\\\", "\\").replace("\\]", "]").replace("\\[", "[")
    assert SHOWN in plain
    # A name is in one line, and so is a reason.
    assert rf"a{SHOWN}\n.md:1" in plain or form == "junit"
    assert rf"first{SHOWN}\nsecond" in plain


def test_control_characters_are_shown_in_titles_and_mistakes() -> None:
    (found, _) = attacking_run().checked
    assert title(found.snippet) == rf"first{SHOWN}\nsecond"
    raw = Snippet(f"a{ATTACK}\n.md", 1, "", Form.SQL, f"SELECT {ATTACK}", name=None)
    assert OBEYED.search(title(raw) + raw.place) is None
    assert str(PageMistake(f"a{ATTACK}\n.md", 2, f"no{ATTACK}\nkey")) == rf"a{SHOWN}\n.md:2: no{SHOWN}\nkey."
    with pytest.raises(CookbookError) as caught:
        files_of(Path("gone\x1b[2J\n.md"))
    assert r"gone\x1b[2J\n.md" in str(caught.value)


def test_what_a_page_declares_can_be_printed_as_it_is() -> None:
    (found,) = read_text("a.md", "```sql {name='a\x1b[2J' skip='b\x9bc\u202e'}\nSELECT 1;\n```\n".encode())
    assert (found.name, found.skip) == (r"a\x1b[2J", r"b\x9bc\u202e")


LIVE = (
    *(
        "<img src=x onerror=alert(1)>",
        "<script>",
        "<!--",
        "</details>",
        "![a](http://b/c)",
        "[a](http://b)",
        "<http://b>",
    ),
    *(
        "@somebody",
        "https://a.b/c",
        "www.a.b",
        "a@b.c",
        "#1",
        "GH-1",
        "a/b#1",
        "# heading",
        "> quote",
        "- list",
        "1. list",
    ),
    *(
        "`",
        "``",
        "```",
        "`a` @b `c`",
        "`a``b`",
        "`@a`b",
        "a`b@c`d",
        "*a* **b** _c_ ~~d~~",
        "a | b | c",
        "\\| a \\\\| b",
        "***",
    ),
    *(
        "\\",
        "\\`a`",
        "`a\\`",
        "&lt;b&gt;",
        "&copy;",
        "$a$",
        "===",
        "---",
        "+ a",
        "[a]: http://b",
        "    code",
        "\tcode",
        "`` ` @a ``",
    ),
    *("0123456789abcdef", "mailto:a@b.c", "xmpp:a@b.c", "|-|-|", "a\\", "`|`", "`a\\|@b`", "` `", "`` ``"),
)


@pytest.mark.parametrize("text", LIVE)
def test_markdown_of_a_stranger_stays_text(text: str) -> None:
    from test_fuzz import strange_tokens

    for whole in (text, f"a {text} b", f"{text}\n\n{text}", f"`{text}", f"{text}`", f"\\{text}"):
        findings = {
            dialect: Finding(dialect, Verdict.FAILS, whole, (whole,), warnings=(whole,), better=(whole,))
            for dialect in BOTH
        }
        one = Snippet(f"{whole}.md", 1, whole, Form.OPERATIONS, whole, name=whole)
        skipped = Snippet("b.md", 2, "sql", Form.SQL, whole, skip=whole)
        complaining = Checked(Snippet(whole, 3, "", Form.SQL, whole), {}, (whole,))
        checked = (add_complaints(Checked(one, findings), VERSIONS), Checked(skipped), complaining)
        run = VerificationRun(checked, dict.fromkeys(BOTH, whole), (whole,))
        told = REPORT_FORMATS["markdown"](run)
        assert list(strange_tokens(told)) == []
        rows = [line for line in told.splitlines() if line.startswith("| ")]
        assert len(rows) == 4
        # The cells as GitHub parts them: a backslash takes the next character along, whatever it is.
        assert {len(re.sub(r"\\[!-/:-@\[-`{-~]", "", row).split("|")) for row in rows} == {6}


@pytest.mark.parametrize(
    "language", ["py`thon", "mermaid", "suggestion", "math", "python @a", "<b>", "sql\x1b", "a b"]
)
def test_the_language_of_a_fence_is_a_plain_word_or_none(language: str) -> None:
    one = Snippet("a.md", 1, language, Form.SQL, "SELECT 1;")
    findings = {dialect: Finding(dialect, Verdict.FAILS, "no") for dialect in BOTH}
    told = REPORT_FORMATS["markdown"](
        VerificationRun((add_complaints(Checked(one, findings), VERSIONS),), VERSIONS)
    )
    assert "\n```\nSELECT 1;\n```\n" in told or "\n```python\nSELECT 1;\n```\n" in told


def test_names_of_many_tables_are_compared_soon() -> None:
    from migration_cookbook.verify.required_schema.draft import Draft, TableDraft
    from migration_cookbook.verify.trial.typos import find_typos

    names = [f"table_{chr(97 + n % 26) * (n // 26 % 40 + 1)}_{chr(97 + n // 1040)}" for n in range(20_000)]
    draft = Draft(tables={name: TableDraft(name) for name in [*names, "a" * 200_000]})
    started = time.process_time()
    assert list(find_typos(draft, ())) != []
    assert time.process_time() - started < SECONDS
