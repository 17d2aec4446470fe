"""The outcome of a command on one database, and its lines for the reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.sandbox import commandline
    from migration_cookbook.schema import Change


def sent_lines(statement: str) -> list[str]:
    """A refused statement, on one line where it has one, else below its title."""
    lines = [line.rstrip() for line in statement.strip().expandtabs(4).splitlines() if line.strip()]
    if len(lines) == 1:
        return [f"  SQL sent: {lines[0]}"]
    return ["  SQL sent:", *(f"    {line}" for line in lines)]


@dataclass(frozen=True)
class Outcome:
    """What a command came to on one database, or on the files alone."""

    dialect: Dialect
    printed: commandline.Printed
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        return self.printed.lines

    @property
    def sent(self) -> tuple[str, ...]:
        return self.printed.sent

    @property
    def failure(self) -> commandline.Failure | None:
        return self.printed.failure

    def place_text(self) -> str:
        return f"revision {', '.join(self.after)}" if self.after else "base, no revision applied"

    def failure_lines(self) -> tuple[str, ...]:
        """Who refused, in which words, and what was sent."""
        if self.failure is None:
            return ()
        lines = list(self.failure.headline())
        if self.failure.sql:
            lines += sent_lines(self.failure.sql)
        if self.failure.where:
            lines.append(f"  from {self.failure.where}")
        return tuple(lines)

    def state_lines(self) -> tuple[str, ...]:
        """Where the database stands after a failure, and what is already done and stays."""
        if self.before == self.after and not self.changes:
            return (f"  still at {self.place_text()}; schema unchanged",)
        lines = [f"  now at {self.place_text()}"]
        if self.changes:
            lines.append("  already done, and stays:")
            lines += [
                f"    {change.sign} {change.subject}  {change.detail}".rstrip() for change in self.changes
            ]
        else:
            lines.append(f"  what leads there from {', '.join(self.before) or 'base'} is done, and stays")
        return tuple(lines)
