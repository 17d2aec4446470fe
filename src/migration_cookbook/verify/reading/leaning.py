"""Which earlier snippets of its page does a snippet lean on?

On the one before, where it says `continue`. Else, and also, on the fence that last defined a name
that it uses: a helper, a table object, an import, or an operation registered with Alembic; and on the
fence that makes an extension of PostgreSQL, where it may need it. A fence that is declared to fail is
no ground to stand on.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
import symtable
import warnings
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from migration_cookbook.python_private import symbol_of
from migration_cookbook.verify.reading import python_text
from migration_cookbook.verify.values.snippet import Form, Snippet, extensions_made
from migration_cookbook.verify.values.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Names that every snippet may use.
ALWAYS_THERE = frozenset({"op", "sa", "postgresql", *dir(builtins)})

_LEANING = (Form.OPERATIONS, Form.FUNCTIONS, Form.PYTHON, Form.ENVIRONMENT)
_GROUND = (Form.OPERATIONS, Form.FUNCTIONS, Form.PYTHON)
_NO_GROUND = (Verdict.FAILS, Verdict.OUTSIDE, Verdict.NEEDS_CONTEXT, Verdict.PLACEHOLDER)

#: What only an extension makes possible, where it has another name than the extension.
_OF_EXTENSIONS = {"btree_gist": "gist", "btree_gin": "gin", "pg_trgm": "trgm|similarity|word_similarity"}
_OF_EXTENSIONS |= {"pgcrypto": r"crypt\(|gen_salt|digest|hmac", "uuid-ossp": "uuid_generate"}

#: All that come with PostgreSQL are fewer; each is looked for in each snippet.
_MOST_EXTENSIONS = 64

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass
class _DefinitionIndex:
    """What the snippets seen so far define."""

    #: By name: the place of the snippet that defined it last.
    names: dict[str, int] = field(default_factory=dict)
    #: By the name of an operation: every place that has a part in it.
    operations: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    #: By the name of an operation's class: the operations that it is registered as.
    classes: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    #: By the name of an extension of PostgreSQL: the place of the snippet that makes it.
    extensions: dict[str, int] = field(default_factory=dict)


def resolve_dependencies(snippets: Sequence[Snippet], continues: Sequence[bool]) -> tuple[Snippet, ...]:
    """The snippets of one page, each with those that it leans on."""
    ground = _DefinitionIndex()
    #: By snippet: the places of those that it leans on, as bits, which are quick to unite.
    leans: list[int] = []
    before: int | None = None
    for place, (snippet, goes_on) in enumerate(zip(snippets, continues, strict=True)):
        direct = set(_grounds(snippet, ground))
        if goes_on and before is not None:
            direct.add(before)
        leans.append(functools.reduce(lambda bits, one: bits | leans[one] | 1 << one, direct, 0))
        _add(snippet, place, ground)
        if snippet.form is not Form.FOREIGN:
            before = place
    return tuple(
        _leaning(snippet, tuple(snippets[place] for place in _places(bits))) if bits else snippet
        for snippet, bits in zip(snippets, leans, strict=True)
    )


def _places(bits: int) -> list[int]:
    """The places of the bits that are set."""
    return [place for place, bit in enumerate(reversed(f"{bits:b}")) if bit == "1"]


def _leaning(snippet: Snippet, grounds: tuple[Snippet, ...]) -> Snippet:
    """What only calls helpers that operate does operate."""
    operates = any(ground.form in (Form.OPERATIONS, Form.FUNCTIONS) for ground in grounds)
    form = Form.OPERATIONS if operates and snippet.form is Form.PYTHON else snippet.form
    return replace(snippet, form=form, depends_on=grounds)


def _grounds(snippet: Snippet, ground: _DefinitionIndex) -> Iterator[int]:
    for extension, place in ground.extensions.items():
        if _of_extension(extension).search(snippet.text):
            yield place
    module = python_text.tree(snippet.text) if snippet.form in _LEANING else None
    if module is None:
        return
    for name in _used(snippet.text, module):
        if name in ground.names:
            yield ground.names[name]
    for operation in _operations(module):
        yield from ground.operations.get(operation, ())


@functools.lru_cache(maxsize=_MOST_EXTENSIONS)
def _of_extension(extension: str) -> re.Pattern[str]:
    """What in a text needs the extension."""
    return re.compile(_OF_EXTENSIONS.get(extension, re.escape(extension)), re.IGNORECASE)


def _add(snippet: Snippet, place: int, ground: _DefinitionIndex) -> None:
    if any(one.verdict in _NO_GROUND for one in snippet.expected.values()):
        return
    for extension in extensions_made(snippet.text):
        if extension in ground.extensions or len(ground.extensions) < _MOST_EXTENSIONS:
            ground.extensions[extension] = place
    if snippet.form not in _GROUND:
        return
    module = python_text.tree(snippet.text)
    if module is None:
        return
    for name in set(_defined(module)) - ALWAYS_THERE:
        ground.names[name] = place
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            _add_operations(node, place, ground)


def _add_operations(node: ast.ClassDef | ast.FunctionDef, place: int, ground: _DefinitionIndex) -> None:
    for decorator in node.decorator_list:
        if not (
            isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Attribute) and decorator.args
        ):
            continue
        subject = decorator.args[0]
        name = subject.value if isinstance(subject, ast.Constant) else None
        if decorator.func.attr == "register_operation" and isinstance(name, str):
            ground.operations[name].append(place)
            ground.classes[node.name].append(name)
        elif decorator.func.attr == "implementation_for" and isinstance(subject, ast.Name):
            for operation in ground.classes.get(subject.id, ()):
                ground.operations[operation].append(place)


def _defined(module: ast.Module) -> Iterator[str]:
    """The names that stand after it ran; not those of `with … as` and `for`, which are spent."""
    for node in _of_this_scope(module.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                yield from _stored(target)


def _stored(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id


def _of_this_scope(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        yield node
        # Expressions hold no statement of this scope, and most of a text is expressions.
        if not isinstance(node, _SCOPES):
            waiting.extend(one for one in ast.iter_child_nodes(node) if not isinstance(one, ast.expr))


def _used(text: str, module: ast.Module) -> set[str]:
    """The names that it takes from outside."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            names = set(_from_outside(symtable.symtable(text, "<snippet>", "exec")))
    except (SyntaxError, RecursionError):
        # A `return` or `await` outside of a function.
        names = {node.id for node in ast.walk(module) if isinstance(node, ast.Name)}
        names -= set(_stored(module))
    return names - ALWAYS_THERE - set(_defined(module))


def _from_outside(module: symtable.SymbolTable) -> Iterator[str]:
    waiting = [module]
    while waiting:
        table = waiting.pop()
        is_module = table is module
        for name in table.get_identifiers():
            symbol = symbol_of(table, name)
            is_own = symbol.is_assigned() or symbol.is_imported()
            if symbol.is_referenced() and not (is_own if is_module else not symbol.is_global()):
                yield name
        waiting.extend(table.get_children())


def _operations(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "op":
            yield node.attr
