"""Try a piece of alembic.ini, pyproject.toml or env.py in a real project."""

from __future__ import annotations

import ast
import configparser
import re
import textwrap
import tomllib
from typing import TYPE_CHECKING

from migration_cookbook.verify.trial.project import Project, project, write_revisions
from migration_cookbook.verify.trial.trial import refusal
from migration_cookbook.verify.values.outcome import Refusal, Trial
from migration_cookbook.verify.values.snippet import Form

if TYPE_CHECKING:
    from collections.abc import Callable

    import sqlalchemy as sa

    from migration_cookbook.databases.dialects import Dialect

#: What shows that a configuration does its work.
_COMMANDS = (
    "upgrade head",
    "current",
    'revision -m "another step"',
    "upgrade head",
    "history",
    "downgrade base",
)
_ONLINE = ("upgrade head", "check", 'revision --autogenerate -m "compared"', "upgrade head", "downgrade base")
#: Everything that Alembic 1.20.1 reads from its main section; `sqlalchemy.…` goes to the engine.
_KEYS = frozenset({
    "script_location", "file_template", "timezone", "truncate_slug_length", "revision_environment", "sourceless",
    "version_locations", "version_path_separator", "path_separator", "output_encoding", "prepend_sys_path",
    "recursive_version_locations", "databases", "here",
})  # fmt: skip
#: Callables of env.py that do nothing until `context.configure` is given them.
_CALLABLES = frozenset({
    "include_name", "include_object", "compare_type", "compare_server_default", "process_revision_directives",
    "render_item", "on_version_apply",
})  # fmt: skip


def trial(form: Form, text: str, dialect: Dialect, url: sa.URL | None, *, keep: bool = False) -> Trial:
    """Put the fragment into a project, and run the commands that every project knows."""
    template = "pyproject" if form is Form.PYPROJECT else "generic"
    with project(dialect, url, template, keep=keep) as made:
        write_revisions(made, (), fork=False)
        try:
            doubtful = _PLACES[form](made, textwrap.dedent(text))
        except (SyntaxError, configparser.Error, tomllib.TOMLDecodeError) as error:
            return Trial("text", refusal(error))
        return _work(made, _ONLINE if form is Form.ENVIRONMENT else _COMMANDS, doubtful)


def _work(made: Project, commands: tuple[str, ...], doubtful: tuple[str, ...]) -> Trial:
    sent: list[str] = []
    shown: list[str] = []
    for line in commands:
        printed = made.alembic(line)
        sent += printed.sent
        shown += [f"$ alembic {line}", *(one for one in printed.lines if not one.startswith("INFO"))]
        if printed.failure is not None:
            failure = printed.failure
            words = Refusal(failure.kind, " ".join(failure.message), None, failure.sql)
            return Trial("up", words, tuple(sent), ran=1, doubtful=doubtful, printed=tuple(shown))
    return Trial(
        "done",
        None,
        tuple(sent),
        ran=len(commands),
        printed=tuple(shown),
        doubtful=doubtful,
        assumed=("a project with four revisions",),
    )


def _into_ini(made: Project, text: str) -> tuple[str, ...]:
    """Merge the keys into alembic.ini, key by key: a fragment is no whole file."""
    if not re.search(r"^\s*\[", text, re.MULTILINE):
        text = f"[alembic]\n{text}"
    fragment = configparser.RawConfigParser()
    fragment.optionxform = str  # type: ignore[assignment, method-assign]
    fragment.read_string(text)
    whole = configparser.RawConfigParser()
    whole.optionxform = str  # type: ignore[assignment, method-assign]
    whole.read(made.ini, encoding="utf-8")
    unread = []
    for section in fragment.sections():
        if not whole.has_section(section):
            whole.add_section(section)
        for key, value in fragment.items(section):
            if key == "script_location":
                _move_scripts(made, value)
            if section == "alembic" and key not in _KEYS and not key.startswith("sqlalchemy."):
                unread.append(f"nothing reads the key {key} of alembic.ini, unless env.py does")
            whole.set(section, key, value)
    with made.ini.open("w", encoding="utf-8") as file:
        whole.write(file)
    return tuple(unread)


def _move_scripts(made: Project, value: str) -> None:
    """A fragment that calls the folder otherwise finds it under that name."""
    name = value.replace("%(here)s", "").strip("/ ")
    place = (made.folder / name).resolve()
    if re.fullmatch(r"[\w./-]+", name) and place.is_relative_to(made.folder) and not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        (made.folder / "migrations").rename(place)


def _into_pyproject(made: Project, text: str) -> tuple[str, ...]:
    """The fragment's tables in place of those of the same name."""
    given = tomllib.loads(text).get("tool", {}).get("alembic", {})
    path = made.folder / "pyproject.toml"
    if "script_location" in given:
        _move_scripts(made, str(given["script_location"]))
        path.write_text(_with_modules(text), encoding="utf-8")
    else:
        path.write_text(_with_location(text), encoding="utf-8")
    unread = [key for key in given if key not in _KEYS and key not in ("post_write_hooks",)]
    return tuple(f"nothing reads the key {key} of pyproject.toml" for key in unread)


def _with_modules(text: str) -> str:
    """The project's own modules are found, whatever the fragment is about."""
    if "prepend_sys_path" in text:
        return text
    return re.sub(
        r"^(\[tool\.alembic\].*\n)", r'\1prepend_sys_path = ["."]\n', text, count=1, flags=re.MULTILINE
    )


def _with_location(text: str) -> str:
    line = 'script_location = "%(here)s/migrations"\nprepend_sys_path = ["."]\n'
    if re.search(r"^\[tool\.alembic\]", text, re.MULTILINE):
        return re.sub(r"^(\[tool\.alembic\].*\n)", rf"\1{line}", text, count=1, flags=re.MULTILINE)
    return f"[tool.alembic]\n{line}\n{text}"


def _into_environment(made: Project, text: str) -> tuple[str, ...]:
    """Where in env.py such a fragment belongs: it may be all of it, a `configure` or something before that."""
    tree = ast.parse(text)
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _configures(node)]
    if any(name.startswith("run_migrations") for name in names):
        _instead_of_all(made, text)
    elif calls:
        _instead_of_configure(made, text, tree, calls)
    else:
        made.replace(made.env, "# other values from the config", f"{text}\n# other values from the config")
        for name in sorted(names & _CALLABLES):
            old = "connection=connection, target_metadata=target_metadata"
            made.replace(made.env, old, f"{old}, {name}={name}")
    return ()


def _configures(node: ast.Call) -> bool:
    function = node.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr == "configure"
        and isinstance(function.value, ast.Name)
        and function.value.id == "context"
    )


def _instead_of_all(made: Project, text: str) -> None:
    """The whole file, or the functions that replace those of the template."""
    if "context.is_offline_mode()" in text:
        made.env.write_text(text, encoding="utf-8")
        return
    made.replace(made.env, "if context.is_offline_mode():", f"{text}\n\nif context.is_offline_mode():")


def _instead_of_configure(made: Project, text: str, tree: ast.Module, calls: list[ast.Call]) -> None:
    source = made.env.read_text(encoding="utf-8")
    online = source.index("def run_migrations_online")
    before, after = source[:online], source[online:]
    if "context.run_migrations()" in text:
        start = after.index("    with connectable.connect()")
        end = after.index("if context.is_offline_mode():")
        after = after[:start] + textwrap.indent(text, "    ") + "\n\n" + after[end:]
    else:
        given = ast.unparse(calls[0])
        rest = [node for node in tree.body if not (isinstance(node, ast.Expr) and node.value is calls[0])]
        before += "".join(ast.unparse(node) + "\n" for node in rest) + "\n"
        after = re.sub(
            r"context\.configure\(\s*connection=connection, target_metadata=target_metadata\s*\)",
            lambda _: given,
            after,
        )
    made.env.write_text(before + after, encoding="utf-8")


_PLACES: dict[Form, Callable[[Project, str], tuple[str, ...]]] = {
    Form.INI: _into_ini,
    Form.PYPROJECT: _into_pyproject,
    Form.ENVIRONMENT: _into_environment,
}
