"""The clauses of SQLite's CREATE TABLE that no PRAGMA reports.

The names and texts of constraints, and the columns' collations and generating expressions.
SQLite keeps the statement as it was written, and its own ALTER TABLE edits that text.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

from migration_cookbook.schema.model import Constraint
from migration_cookbook.schema.tokens import (
    Token,
    group_end,
    quote_name,
    text_of,
    tokens_of,
    unquote,
)

_COLUMN_CLAUSES = {
    "CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE",
    "REFERENCES", "GENERATED", "AS",
}  # fmt: skip
_TABLE_CLAUSES = {"CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"}


@dataclass
class TableClauses:
    """What the statement says, filled while it is read."""

    columns: frozenset[str] = frozenset()
    primary_key: Constraint | None = None
    uniques: list[Constraint] = field(default_factory=list)
    foreign_keys: list[Constraint] = field(default_factory=list)
    checks: list[Constraint] = field(default_factory=list)
    collations: dict[str, str] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)
    counting: bool = False
    options: tuple[str, ...] = ()


#: Each table's primary key, by the table's name in lower case.
Keys = tuple[tuple[str, tuple[str, ...]], ...]


@functools.lru_cache(maxsize=512)  # most tables stay as they were between two reads
def parse_table(sql: str, columns: frozenset[str], keys: Keys) -> TableClauses:
    """Take the statement apart; `keys` say what a foreign key without columns points at."""
    tokens = tokens_of(sql, brackets_quote=True)
    found = TableClauses(columns)
    if [token.keyword for token in tokens[:2]] == ["CREATE", "VIRTUAL"]:
        using = next(place for place, token in enumerate(tokens) if token.keyword == "USING")
        found.options = ("VIRTUAL " + text_of(tokens[using:]),)
        return found
    start = next((place for place, token in enumerate(tokens) if token.text == "("), len(tokens))
    end = group_end(tokens, start)
    found.options = tuple(text_of(part).upper() for part in _parts(tokens[end:]))
    for part in _parts(tokens[start + 1 : end - 1]):
        _Clauses(part, found, dict(keys)).read()
    return found


def _parts(tokens: list[Token]) -> list[list[Token]]:
    """Split the tokens at the commas outside of parentheses."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return [part for part in parts if part]


class _Clauses:
    """One part of the body, read from the left: a column, or constraints of the table."""

    def __init__(self, tokens: list[Token], found: TableClauses, keys: dict[str, tuple[str, ...]]) -> None:
        self.tokens = tokens
        self.position = 0
        self.found = found
        self.keys = keys
        self.column: str | None = None

    def read(self) -> None:
        if self.tokens[0].keyword not in _TABLE_CLAUSES:
            self.column = self.name()
            while not self.done and self.next not in _COLUMN_CLAUSES:
                self.position += 1
        name: str | None = None
        while not self.done:
            if self.accept("CONSTRAINT"):
                name = self.name()
            else:
                self.clause(name)
                name = None

    @property
    def done(self) -> bool:
        return self.position >= len(self.tokens)

    @property
    def next(self) -> str:
        return "" if self.done else self.tokens[self.position].keyword

    def accept(self, *keywords: str) -> bool:
        ahead = self.tokens[self.position : self.position + len(keywords)]
        if tuple(token.keyword for token in ahead) != keywords:
            return False
        self.position += len(keywords)
        return True

    def name(self) -> str:
        self.position += 1
        return self.tokens[self.position - 1].name

    def group(self) -> list[Token]:
        """Return the tokens between the parentheses that open here, quotes that say nothing taken off."""
        end = group_end(self.tokens, self.position)
        inside = self.tokens[self.position + 1 : end - 1]
        self.position = end
        return list(unquote(inside, self.found.columns))

    def names(self) -> tuple[str, ...]:
        """Return the columns named in the parentheses that open here, or else the column itself."""
        if self.next != "(":
            return (self.column,) if self.column else ()
        return tuple(part[0].name for part in _parts(self.group()))

    def clause(self, name: str | None) -> None:
        if self.accept("PRIMARY", "KEY"):
            self.primary_key(name)
        elif self.accept("UNIQUE"):
            columns = self.names()
            self.found.uniques.append(
                Constraint(name, f"UNIQUE {_listed(columns)}{self.conflict()}", columns)
            )
        elif self.accept("CHECK"):
            text = text_of(self.group())
            columns = (self.column,) if self.column else ()
            self.found.checks.append(Constraint(name, f"CHECK ({text}){self.conflict()}", columns))
        elif self.accept("FOREIGN", "KEY"):
            columns = self.names()
            self.accept("REFERENCES")
            self.foreign_key(name, columns)
        elif self.accept("REFERENCES"):
            self.foreign_key(name, self.names_of_column())
        elif self.accept("COLLATE"):
            self.found.collations[self.column or ""] = self.name()
        elif self.accept("GENERATED", "ALWAYS", "AS") or self.accept("AS"):
            text = text_of(self.group())
            self.found.generated[self.column or ""] = (
                f"({text}) {'STORED' if self.accept('STORED') else 'VIRTUAL'}"
            )
        elif self.accept("DEFAULT"):
            self.default()
        else:
            self.position += 1

    def names_of_column(self) -> tuple[str, ...]:
        return (self.column,) if self.column else ()

    def primary_key(self, name: str | None) -> None:
        columns = self.names()
        _ = self.accept("ASC") or self.accept("DESC")
        text = f"PRIMARY KEY {_listed(columns)}{self.conflict()}"
        self.found.primary_key = Constraint(name, text, columns)
        self.found.counting = self.accept("AUTOINCREMENT")

    def default(self) -> None:
        """Step over it: its text comes from the PRAGMA."""
        if self.next == "(":
            self.group()
            return
        _ = self.accept("-") or self.accept("+")
        self.position += 1

    def foreign_key(self, name: str | None, columns: tuple[str, ...]) -> None:
        target = self.name()
        if self.next == "(":
            targets = tuple(part[0].name for part in _parts(self.group()))
        else:
            targets = self.keys.get(target.lower(), ())
        actions = self.actions()
        text = f"FOREIGN KEY {_listed(columns)} REFERENCES {quote_name(target)}{_listed(targets)}{actions}"
        self.found.foreign_keys.append(Constraint(name, text, columns))

    def actions(self) -> str:
        """Return what follows the target, in PostgreSQL's order and without what is the default."""
        said: dict[str, str] = {}
        while not self.done:
            if self.accept("ON", "UPDATE"):
                said["update"] = self.action("ON UPDATE")
            elif self.accept("ON", "DELETE"):
                said["delete"] = self.action("ON DELETE")
            elif self.accept("MATCH"):
                self.position += 1  # SQLite reads it and does nothing
            elif self.accept("NOT", "DEFERRABLE"):
                said["deferrable"] = said["initially"] = ""
                _ = self.accept("INITIALLY", "DEFERRED") or self.accept("INITIALLY", "IMMEDIATE")
            elif self.accept("DEFERRABLE"):
                said["deferrable"] = " DEFERRABLE"
            elif self.accept("INITIALLY", "DEFERRED"):
                said["initially"] = " INITIALLY DEFERRED"
            elif not self.accept("INITIALLY", "IMMEDIATE"):
                break
        return "".join(said.get(part, "") for part in ("update", "delete", "deferrable", "initially"))

    def action(self, event: str) -> str:
        for action in ("CASCADE", "RESTRICT", "SET NULL", "SET DEFAULT"):
            if self.accept(*action.split()):
                return f" {event} {action}"
        self.accept("NO", "ACTION")
        return ""

    def conflict(self) -> str:
        return f" ON CONFLICT {self.name().upper()}" if self.accept("ON", "CONFLICT") else ""


def _listed(columns: tuple[str, ...]) -> str:
    return f"({', '.join(quote_name(column) for column in columns)})"
