"""Practice in a terminal. The exercise is checked again as files are saved.

Without a terminal it is checked once, and the exit status says how it stands.
"""

from __future__ import annotations

import contextlib
import select
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from migration_cookbook import practice
from migration_cookbook.cells.options import take_on
from migration_cookbook.databases import engines
from migration_cookbook.display.parts import cell_text
from migration_cookbook.practice import progress
from migration_cookbook.sandbox import files, opening
from migration_cookbook.sandbox.command import parse
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from migration_cookbook.databases.dialects import Dialect
    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.sandbox.outcome import Outcome
    from migration_cookbook.sandbox.sandbox import Sandbox
    from migration_cookbook.workspace import Workspace

_POLL_S = 0.3
_KEYS = (
    "`h` a hint · `s` the solution · `alembic upgrade head` and the like run here, on both databases · "
    "`sql SELECT …` · `q` the end, each with Enter"
)


def practice_in_terminal(workspace: Workspace, name: str | None, answer: str, *, fresh: bool) -> int:
    """Work on one exercise, or on the first that is not passed; 0 once it is."""
    console = Console(highlight=False)
    exercise = practice.exercise(name) if name else _next(workspace)
    if exercise is None:
        console.print("You have passed every exercise of the book.")
        return 0
    session = PracticeSession(console, exercise, _sandbox(console, workspace, exercise, fresh=fresh))
    if not sys.stdin.isatty():
        return 0 if session.check(answer) else 1
    session.introduce()
    return 0 if session.check(answer) or session.watch() else 1


def _next(workspace: Workspace) -> Exercise | None:
    state = progress.load(workspace)
    return next((one for one in practice.exercises().values() if not state.passed(one.id)), None)


def _sandbox(console: Console, workspace: Workspace, exercise: Exercise, *, fresh: bool) -> Sandbox:
    """Open the exercise as it was left, or lay it out for the first time."""
    if not fresh:
        with contextlib.suppress(CookbookError):
            return opening.resume(workspace, exercise.id)
    sandbox, notices = practice.open_exercise(workspace, exercise)
    for notice in notices:
        console.print(notice, markup=False)
    return sandbox


@dataclass(frozen=True)
class PracticeSession:
    """Somebody at work on an exercise."""

    console: Console
    exercise: Exercise
    sandbox: Sandbox

    def introduce(self) -> None:
        """Say what to do, and where."""
        self.console.rule(f"{self.exercise.id}: {self.exercise.title}")
        self.console.print(Markdown(self.exercise.prompt))
        self.console.print(f"\nThe files: {self.sandbox.folder}", markup=False, soft_wrap=True)
        self.console.print(Markdown(_KEYS))

    def check(self, answer: str = "") -> bool:
        """Say how it stands."""
        grade = practice.check(self.sandbox.workspace, self.exercise, self.sandbox, answer or None)
        progress.record_check(self.sandbox.workspace, self.exercise.id, grade.passed)
        verdict = "✓ Passed." if grade.passed else "Not yet."
        self.console.print(f"\n{verdict} {grade.sentence.replace('`', '')}", markup=False)
        for line in (*grade.details, *grade.notices):
            self.console.print(f"  {line}", markup=False)
        return grade.passed

    def watch(self) -> bool:
        """Check again whenever a file is saved or a command has run; True once it is passed."""
        seen = files.snapshot(self.sandbox.folder)
        while True:
            typed, _, _ = select.select([sys.stdin], [], [], _POLL_S)
            if typed:
                line = sys.stdin.readline()
                if not line or line.strip() == "q":
                    return False
                if self.react(line.strip()):
                    return True
            now = files.snapshot(self.sandbox.folder)
            if now != seen and self.check():
                return True
            seen = now

    def react(self, line: str) -> bool:
        """Do what somebody typed; True if the exercise is passed now."""
        word, _, rest = line.partition(" ")
        if word == "h":
            self._hint()
        elif word == "s":
            self._solution()
        elif word in ("alembic", "sql"):
            try:
                self._alembic(rest) if word == "alembic" else self._sql(rest)
            except (CookbookError, sa.exc.DBAPIError) as error:
                self.console.print(str(error).splitlines()[0], markup=False)
            # Files are looked at anyway; of some kinds, the databases are part of the answer too.
            return self.exercise.kind.includes_databases and self.check()
        elif self.exercise.kind.takes_answer and line:
            return self.check(line)
        elif line:
            self.console.print(Markdown(_KEYS))
        return False

    def _hint(self) -> None:
        state = progress.record_hint(self.sandbox.workspace, self.exercise.id)
        number = min(state.hints(self.exercise.id), len(self.exercise.hints))
        self.console.print(Markdown(f"**Hint {number}.** {self.exercise.hints[number - 1]}"))

    def _solution(self) -> None:
        state = progress.record_solution(self.sandbox.workspace, self.exercise.id)
        shown = state.passed(self.exercise.id) or state.asked(self.exercise.id) > 1
        refusal = "Not passed yet. To see the solution all the same, type `s` again."
        self.console.print(Markdown(self.exercise.solution if shown else refusal))

    def _alembic(self, text: str) -> None:
        on, rest = take_on(text)
        command = parse(rest)
        if not command.needs_database:
            self._print(self.sandbox.run_on_files(command))
            return
        if command.autogenerates and on is None:
            raise CookbookError("Autogenerate compares the models with one database: add --on sqlite.")
        for dialect in self._dialects(on):
            self.console.print(f"{dialect.title}:", style="bold")
            self._print(self.sandbox.run(command, dialect))

    def _print(self, outcome: Outcome) -> None:
        failure = outcome.failure_lines() if outcome.failure else ()
        for line in (*outcome.lines, *failure):
            self.console.print(f"  {line}", markup=False)

    def _sql(self, text: str) -> None:
        on, statement = take_on(text)
        for dialect in self._dialects(on):
            self.console.print(f"{dialect.title}:", style="bold")
            with engines.engine(self.sandbox.databases[dialect][0]).begin() as connection:
                answer = connection.exec_driver_sql(statement)
                if answer.returns_rows:
                    table = Table(*answer.keys())
                    for row in answer:
                        table.add_row(*(cell_text(value) for value in row))
                    self.console.print(table)

    def _dialects(self, on: Dialect | None) -> list[Dialect]:
        return [dialect for dialect in self.sandbox.databases if on in (None, dialect)]
