"""Notebooks, Python files, plain files and folders: the same snippets, each at its line."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.verify.reading import read
from migration_cookbook.verify.reading.page import PageMistake
from migration_cookbook.verify.values.snippet import Form
from migration_cookbook.workspace import CookbookError

ROOT = Path(__file__).parents[2]
ADD = 'op.add_column("books", sa.Column("isbn", sa.String(13)))'


def notebook(path: Path, *cells: dict[str, Any], language: str = "python", indent: int | None = 1) -> Path:
    content = {
        "cells": list(cells),
        "metadata": {"language_info": {"name": language}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content, indent=indent))
    return path


def code(text: str, **more: Any) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        **more,
        "source": text.splitlines(keepends=True),
    }


def markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def test_a_notebook_is_read_cell_by_cell(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "n.ipynb",
        markdown(f"# Title\n\n```python\n{ADD}\n```"),
        code("%load_ext migration_cookbook\n%sandbox n"),
        code("%%fails postgres\n%%op\n\nop.drop_table('ä')\nop.drop_table('b')", outputs=[{"source": ["x"]}]),
        code("%%sql\nSELECT 1"),
        code(""),
        code("%alembic upgrade head"),
    )
    lines = path.read_text().splitlines()
    found = [each for each in read(path) if each.form is not Form.UNRELATED]
    assert [(each.name, each.form, each.text) for each in found] == [
        ("cell 1", Form.OPERATIONS, ADD),
        ("cell 3", Form.OPERATIONS, "op.drop_table('ä')\nop.drop_table('b')"),
        ("cell 4", Form.SQL, "SELECT 1"),
        ("cell 6", Form.COMMANDS, "alembic upgrade head"),
    ]
    for snippet in found:
        first = snippet.text.splitlines()[0].removeprefix("alembic ")
        assert json.dumps(first)[1:-1] in lines[snippet.line - 1]
    assert set(found[1].expected) == {Dialect.POSTGRES}


@pytest.mark.parametrize("indent", [None, 1])
def test_a_source_may_be_one_text(tmp_path: Path, indent: int | None) -> None:
    cell = {"cell_type": "code", "source": f"%%op\n{ADD}\n", "metadata": {"source": ["no"]}}
    (snippet,) = read(notebook(tmp_path / "n.ipynb", cell, indent=indent))
    assert snippet.text == ADD
    assert "add_column" in (tmp_path / "n.ipynb").read_text().splitlines()[snippet.line - 1]


def test_a_source_may_be_cut_anywhere(tmp_path: Path) -> None:
    cell = {
        "cell_type": "code",
        "source": ["op.drop_", "table('a')\nop.drop_table", "('b')\n", "op.drop_table('c')"],
    }
    path = notebook(tmp_path / "n.ipynb", cell)
    (snippet,) = read(path)
    assert snippet.text == "op.drop_table('a')\nop.drop_table('b')\nop.drop_table('c')"
    assert "op.drop_" in path.read_text().splitlines()[snippet.line - 1]


def test_the_kernel_says_what_the_cells_are(tmp_path: Path) -> None:
    (snippet,) = read(notebook(tmp_path / "n.ipynb", code("VACUUM books"), language="sql"))
    assert (snippet.language, snippet.form) == ("sql", Form.SQL)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("{", 1, "this is no notebook"),
        ('{\n "cells": [\n}', 3, "this is no notebook"),
        ("[]", 1, "no notebook of format 4"),
        ('{"worksheets": []}', 1, "no notebook of format 4"),
        ('{"cells": [1]}', 1, "no notebook of format 4"),
        ("[" * 100_000, 1, "this is no notebook"),
    ],
)
def test_a_file_that_is_no_notebook_is_said(tmp_path: Path, text: str, line: int, said: str) -> None:
    (tmp_path / "n.ipynb").write_text(text)
    with pytest.raises(PageMistake, match=rf"n\.ipynb:{line}: .*{said}"):
        read(tmp_path / "n.ipynb")


def test_the_books_own_notebook_is_read() -> None:
    path = ROOT / "notebooks" / "examples" / "07-add-a-column.ipynb"
    chapter = ROOT / "chapters" / "examples" / "07-add-a-column.md"
    lines = path.read_text().splitlines()
    found = [each for each in read(path) if each.form is not Form.UNRELATED]
    assert [each.text for each in found] == [
        each.text for each in read(chapter) if each.form is not Form.UNRELATED
    ]
    for snippet in found:
        first = snippet.text.splitlines()[0].removeprefix("alembic ").split(" ")[0]
        assert json.dumps(first)[1:-1] in lines[snippet.line - 1], snippet.place


def python(path: Path, text: str) -> Path:
    path.write_text(textwrap.dedent(text))
    return path


def test_a_revision_file_is_one_snippet() -> None:
    for path in sorted((ROOT / "sandbox_project" / "migrations" / "versions").glob("*.py")):
        (snippet,) = read(path)
        assert (snippet.form, snippet.line, snippet.text) == (Form.REVISION, 1, path.read_text().strip())
    (env,) = read(ROOT / "sandbox_project" / "migrations" / "env.py")
    assert env.form is Form.ENVIRONMENT
    assert read(ROOT / "sandbox_project" / "bookshop" / "models.py") == ()


def test_docstrings_are_read_and_lines_are_the_files(tmp_path: Path) -> None:
    path = python(
        tmp_path / "helpers.py",
        r'''
        """Helpers.

        ```python {sqlite=fails}
        op.fenced("a")
        ```
        """

        def é(): """One line: `x`."""

        class Add:
            r"""Raw.

            Example::

                op.literal("\d")

                op.literal("more")

            Words.

            .. code-block:: sql
               :caption: it

               SELECT 1 FROM directive

            .. note:: No code::

            >>> op.tested("a")
            >>> if True:
            ...     op.tested("b")
            answer

            >>> op.tested("c")

            Words.

            >>> op.tested("d")
            """

            def method(self):
                """A long\
                line.

                ~~~ python
                op.escaped("\\d \"q\"")
                ~~~
                """
                return ADD  # op.add_column
        ''',
    )
    lines = path.read_text().splitlines()
    found = read(path)
    assert [each.text.splitlines()[0] for each in found] == [
        'op.fenced("a")',
        r'op.literal("\d")',
        "SELECT 1 FROM directive",
        'op.tested("a")',
        'op.tested("d")',
        r'op.escaped("\d "q"")',
    ]
    assert all(each.form is not Form.UNRELATED for each in found)
    for snippet, written in zip(found, (*found[:-1], None), strict=True):
        word = written.text.splitlines()[0] if written else r'op.escaped("\\d \"q\"")'
        assert word in lines[snippet.line - 1]
    assert found[3].text.endswith('op.tested("c")')
    assert set(found[0].expected) == {Dialect.SQLITE}


def test_line_ends_within_a_docstring_line_move_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        '"""Words.\n\n::\n\n    op.drop_table("a")\\n    op.drop_table("b")\n    op.drop_table("c")\n"""\n'
    )
    (snippet,) = read(path)
    assert snippet.text.splitlines() == [f'op.drop_table("{name}")' for name in "abc"]
    assert snippet.line == 5


def test_a_heading_underlined_with_tildes_is_no_fence(tmp_path: Path) -> None:
    path = python(
        tmp_path / "a.py",
        '''
        """Library.

        Adding
        ~~~~~~

        As here::

            op.drop_table("a")

        ~~~~
        """
        ''',
    )
    (snippet,) = read(path)
    assert (snippet.line, snippet.text) == (9, 'op.drop_table("a")')


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_python_file_with_windows_line_ends(tmp_path: Path, newline: str) -> None:
    path = tmp_path / "a.py"
    path.write_bytes(
        f'"""Words::\n\n\t{ADD.replace(chr(34), chr(39))}\n"""\nx = 1\n'.replace("\n", newline).encode()
    )
    (snippet,) = read(path)
    assert snippet.line == 3
    assert snippet.form is Form.OPERATIONS


def test_a_python_file_may_name_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(
        '# coding: latin-1\n"""Ä::\n\n    op.drop_table("ä")\n"""\n'.encode("latin-1")
    )
    (snippet,) = read(tmp_path / "a.py")
    assert (snippet.line, snippet.text) == (4, 'op.drop_table("ä")')
    (tmp_path / "b.py").write_text("# coding: nonsense\n")
    with pytest.raises(PageMistake, match=r"b\.py:1: unknown encoding: nonsense\. Save the file as UTF-8"):
        read(tmp_path / "b.py")


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("a.sql", "\n\nSELECT 1;\n", Form.SQL),
        ("alembic.ini", "\n\n[alembic]\nscript_location = x\n", Form.INI),
        ("pyproject.toml", "\n\n[tool.alembic]\n", Form.PYPROJECT),
    ],
)
def test_a_plain_file_is_one_snippet(tmp_path: Path, name: str, text: str, form: Form) -> None:
    (tmp_path / name).write_text(text)
    (snippet,) = read(tmp_path / name)
    assert (snippet.line, snippet.form) == (3, form)


def test_a_folder_is_its_pages(tmp_path: Path) -> None:
    fence = f"```python\n{ADD}\n```\n"
    for name in ("b.md", "a.markdown", "deep/er/c.md", ".hidden/d.md", "node_modules/e.md", "f.sql", "g.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(fence)
    notebook(tmp_path / "n.ipynb", code(ADD))
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.md").symlink_to(tmp_path / "nowhere")
    found = read(tmp_path)
    assert [Path(each.file).relative_to(tmp_path).as_posix() for each in found] == [
        "a.markdown",
        "b.md",
        "deep/er/c.md",
        "n.ipynb",
    ]
    assert read(tmp_path / "loop") != ()
    (tmp_path / "empty").mkdir()
    assert read(tmp_path / "empty") == ()


@pytest.mark.parametrize("name", ["a.md", "a.ipynb", "a.py", "a.sql", "a.ini"])
def test_an_empty_file_has_no_snippet(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    assert [each for each in read(tmp_path / name) if each.form is not Form.UNRELATED] == []


def test_what_can_not_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        CookbookError, match=r"^There is no .*gone\.md\. Name a file or a folder that exists\.$"
    ):
        read(tmp_path / "gone.md")
    (tmp_path / "a.pdf").write_text("x")
    with pytest.raises(CookbookError, match=r"a\.pdf can't be read for snippets\. Name one of these: \.md, "):
        read(tmp_path / "a.pdf")
    (tmp_path / "a.md").write_bytes(b"fine\n\n\xe4\n")
    with pytest.raises(PageMistake, match=r"a\.md:3: this is not UTF-8\. Save the file as UTF-8\.$"):
        read(tmp_path / "a.md")
    (tmp_path / "bom.md").write_bytes(b"\xef\xbb\xbf" + f"```\n{ADD}\n```".encode())
    assert [each.line for each in read(tmp_path / "bom.md")] == [2]
