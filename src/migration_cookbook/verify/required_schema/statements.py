"""The statements that build a draft on one database, rows and all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.verify.required_schema.columns import (
    COMPILERS,
    is_text,
    is_whole,
    quoted,
    sample,
    spelled,
)
from migration_cookbook.verify.required_schema.draft import FIRST_ID, ROWS, TEXT, ColumnDraft, Confidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from migration_cookbook.verify.required_schema.draft import Draft, ForeignKey, TableDraft


def statements(draft: Draft, dialect: Dialect) -> tuple[str, ...]:
    """What builds it on that database, rows and all."""
    if draft.given is not None:
        return tuple(part for part in _split(draft.given) if part)
    if dialect is Dialect.POSTGRES:
        return tuple(_on_postgres(draft))
    return tuple(_on_sqlite(draft))


def _on_postgres(draft: Draft) -> Iterator[str]:
    dialect = Dialect.POSTGRES
    _agree(draft, dialect)
    _typed_by_enums(draft)
    yield from (f"CREATE SCHEMA {quote(name, dialect)}" for name in draft.schemas)
    yield from (f'CREATE EXTENSION IF NOT EXISTS "{name}"' for name in draft.extensions)
    for name, labels in draft.enums.items():
        yield f"CREATE TYPE {quote(name, dialect)} AS ENUM ({', '.join(map(quoted, labels))})"
    for table in draft.tables.values():
        yield _create(table, dialect, keys=False)
        yield from _rows(draft, table, dialect)
    for table in draft.tables.values():
        name = quote(table.name, dialect)
        yield from (f"ALTER TABLE {name} ADD {_foreign_key(key, dialect)}" for key in table.foreign_keys)
        for label, text in table.not_valid:
            yield f"ALTER TABLE {name} ADD CONSTRAINT {quote(label, dialect)} {text} NOT VALID"
        yield from _indexes(table, dialect)
    yield from draft.others.values()


def _on_sqlite(draft: Draft) -> Iterator[str]:
    dialect = Dialect.SQLITE
    _agree(draft, dialect)
    for table in draft.tables.values():
        # SQLite's schemas are attached files: a table in one is nothing that could be there.
        if "." not in table.name:
            yield _create(table, dialect, keys=True)
            yield from _rows(draft, table, dialect)
            yield from _indexes(table, dialect)
    for name, text in draft.others.items():
        if name.startswith("view "):
            yield text


def _agree(draft: Draft, dialect: Dialect) -> None:
    """A key and what it refers to have one type, and what is referred to is unique."""
    for table in list(draft.tables.values()):
        for key in table.foreign_keys:
            target = draft.table(key.table)
            for name, other in zip(key.columns, key.targets, strict=False):
                mine, theirs = table.column(name), target.column(other)
                if mine.confidence > theirs.confidence:
                    theirs.type, theirs.confidence = mine.type, mine.confidence
                else:
                    mine.type, mine.confidence = theirs.type, theirs.confidence
                if "SERIAL" in spelled(mine.type, dialect).upper():
                    mine.type = "INTEGER"
            if key.targets != (target.key or ("id",)) and (None, key.targets) not in target.uniques:
                target.uniques.append((None, key.targets))


def _typed_by_enums(draft: Draft) -> None:
    """A column is of the enum type that is called like it: `role` of `user_role`, `shirt` of `shirt_size`."""
    for name, labels in draft.enums.items():
        for table in draft.tables.values():
            for column in table.columns.values():
                if column.type == TEXT and _belongs(column.name, name):
                    used = column.literals - draft.new_labels - set(labels)
                    column.type, column.confidence = name, Confidence.DECLARED
                    labels = draft.enums[name] = (*labels, *sorted(used))


def _rows(draft: Draft, table: TableDraft, dialect: Dialect) -> Iterator[str]:
    if table.empty:
        return
    shown = [column for column in _columns(table).values() if column.values != ("GENERATED",)]
    if not shown:
        return
    names = ", ".join(quote(column.name, dialect) for column in shown)
    rows = [
        "(" + ", ".join(_value(draft, table, column, row, dialect) for column in shown) + ")"
        for row in range(1, ROWS + 1)
    ]
    rows += [
        "("
        + ", ".join(
            id_ if column.name == "id" else _value(draft, table, column, 4 + n, dialect) for column in shown
        )
        + ")"
        for n, id_ in enumerate(table.ids)
    ]
    yield f"INSERT INTO {quote(table.name, dialect)} ({names}) VALUES {', '.join(rows)}"


def _value(draft: Draft, table: TableDraft, column: ColumnDraft, row: int, dialect: Dialect) -> str:
    if column.values:
        return column.values[(row - 1) % len(column.values)]
    for key in table.foreign_keys:
        if column.name in key.columns:
            other = key.targets[key.columns.index(column.name)]
            target = draft.table(key.table)
            if target is not table or other != column.name:
                return _value(draft, target, _columns(target)[other], row, dialect)
    type_ = spelled(column.type, dialect)
    # Whatever a key refers to, the rows of all tables have the same ids.
    is_key = column.name == "id" or column.name.endswith("_id") or (column.name,) == table.key
    if is_key and is_whole(type_) and column.looks_like is None:
        return str(FIRST_ID - 1 + row)
    labels = getattr(column.type, "enums", None) or draft.enums.get(type_) or ()
    looks_like = column.looks_like if column.looks_like and is_text(type_) else type_
    return sample(looks_like, column.name, row, dialect, labels)


def _belongs(column: str, enum: str) -> bool:
    return column == enum or enum.startswith(f"{column}_") or enum.endswith(f"_{column}")


def quote(name: str, dialect: Dialect) -> str:
    """An identifier as SQL writes it, its schema with it."""
    quote_one = COMPILERS[dialect].identifier_preparer.quote
    return ".".join(quote_one(part) for part in name.split("."))


def _columns(table: TableDraft) -> dict[str, ColumnDraft]:
    """The columns, with the `id` that every table has by itself."""
    if table.key is not None or "id" in table.columns:
        return table.columns
    return {"id": ColumnDraft("id", "INTEGER"), **table.columns}


def _create(table: TableDraft, dialect: Dialect, *, keys: bool) -> str:
    key = ("id",) if table.key is None else table.key
    parts = [_column(column, key, dialect) for column in _columns(table).values()]
    if key:
        label = f"CONSTRAINT {quote(table.key_name, dialect)} " if table.key_name else ""
        parts.append(f"{label}PRIMARY KEY ({_names(key, dialect)})")
    parts += [f"{_label(name, dialect)}UNIQUE ({_names(names, dialect)})" for name, names in table.uniques]
    parts += [f"{_label(name, dialect)}CHECK ({condition})" for name, condition in table.checks]
    if keys:
        parts += [_foreign_key(one, dialect) for one in table.foreign_keys]
    return f"CREATE TABLE {quote(table.name, dialect)} ({', '.join(parts)})"


def _column(column: ColumnDraft, key: tuple[str, ...], dialect: Dialect) -> str:
    type_ = spelled(column.type, dialect)
    if key == (column.name,) and dialect is Dialect.POSTGRES and column.default is None:
        type_ = {"INTEGER": "SERIAL", "BIGINT": "BIGSERIAL", "SMALLINT": "SMALLSERIAL"}.get(
            type_.upper(), type_
        )
    default = f" DEFAULT {column.default}" if column.default is not None else ""
    not_null = " NOT NULL" if column.not_null or column.name in key else ""
    return f"{quote(column.name, dialect)} {type_}{default}{not_null}"


def _foreign_key(key: ForeignKey, dialect: Dialect) -> str:
    return (
        f"{_label(key.name, dialect)}FOREIGN KEY ({_names(key.columns, dialect)}) "
        f"REFERENCES {quote(key.table, dialect)} ({_names(key.targets, dialect)}){key.options}"
    )


def _indexes(table: TableDraft, dialect: Dialect) -> Iterator[str]:
    for name, (text, unique) in table.indexes.items():
        plain = text if dialect is Dialect.POSTGRES else _plain(text)
        yield f"CREATE {'UNIQUE ' if unique else ''}INDEX {quote(name, dialect)} ON {quote(table.name, dialect)} {plain}"


def _plain(text: str) -> str:
    """Without the method, which SQLite does not know."""
    return text[text.index("(") :] if text.startswith("USING") else text


def _label(name: str | None, dialect: Dialect) -> str:
    return f"CONSTRAINT {quote(name, dialect)} " if name else ""


def _names(names: Iterable[str], dialect: Dialect) -> str:
    return ", ".join(quote(name, dialect) for name in names)


def _split(text: str) -> list[str]:
    import postgast

    try:
        return [part.strip().rstrip(";") for part in postgast.split(text)]
    except postgast.PgQueryError:
        return [part.strip() for part in text.split(";")]
