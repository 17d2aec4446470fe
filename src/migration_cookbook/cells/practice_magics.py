"""`%practice`, `%check`, `%hint`, `%solution`, `%progress`: exercises that answer at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migration_cookbook import practice as book
from migration_cookbook.cells.magic import LineMagic, in_one_line
from migration_cookbook.display import prose
from migration_cookbook.display.parts import Lines, Note, Part, ResultLine, ResultTable
from migration_cookbook.practice import progress as kept
from migration_cookbook.workspace import CookbookError

if TYPE_CHECKING:
    from migration_cookbook.cells.notebook import Notebook
    from migration_cookbook.practice import Exercise


def practice(notebook: Notebook, line: str) -> None:
    """Lay out an exercise: its prompt, and a fresh sandbox of its own."""
    exercise, _ = _named("%practice", line)
    notebook.leave()
    sandbox, notices = book.open_exercise(notebook.workspace, exercise)
    notebook.enter(sandbox)
    shown: list[Part] = [
        ResultLine(f"Exercise {exercise.id}: {exercise.title}", f"({exercise.minutes} minutes)"),
        *prose.parts(exercise.prompt),
        *(Note(notice) for notice in notices),
        Note(
            f"You work in the sandbox `{sandbox.name}` now. "
            f"`%check {exercise.id}` says how it stands, `%hint {exercise.id}` helps."
        ),
    ]
    if sandbox.unavailable:
        shown.append(Note(f"PostgreSQL is not to be had: {sandbox.unavailable}"))
    notebook.publish(shown)


def check(notebook: Notebook, line: str) -> None:
    """Say whether an exercise is solved, or what to look at. Never raises: a wrong answer isn't an error."""
    try:
        shown = _checked(notebook, line)
    except (Exception, KeyboardInterrupt) as error:
        shown = [ResultLine("Not checked.", str(in_one_line(notebook, "%check", error)), good=False)]
    notebook.publish(shown)


def hint(notebook: Notebook, line: str) -> None:
    """Show the hints so far, and the next one."""
    exercise, _ = _named("%hint", line)
    given = kept.record_hint(notebook.workspace, exercise.id).hints(exercise.id)
    shown: list[Part] = []
    for number, text in enumerate(exercise.hints[:given], 1):
        last = ", the last one" if number == len(exercise.hints) else ""
        shown += [ResultLine(f"Hint {number}{last}.", ""), *prose.parts(text)]
    notebook.publish(shown)


def solution(notebook: Notebook, line: str) -> None:
    """Show the solution, after passing or on the second request."""
    exercise, _ = _named("%solution", line)
    state = kept.record_solution(notebook.workspace, exercise.id)
    if state.passed(exercise.id) or state.asked(exercise.id) > 1:
        notebook.publish([ResultLine(f"A solution of {exercise.id}.", ""), *prose.parts(exercise.solution)])
        return
    notebook.publish(
        [
            Note(
                f"You have not passed {exercise.id} yet. `%hint {exercise.id}` gives a hint. "
                "To see the solution all the same, run this cell again."
            )
        ]
    )


def progress(notebook: Notebook, line: str) -> None:
    """Show what is passed, page by page and in the whole book."""
    if line.strip():
        raise CookbookError("%progress stands alone: it shows the whole book.")
    exercises = book.exercises()
    pages = kept.table(exercises, kept.load(notebook.workspace))
    passed, of = sum(len(page.passed) for page in pages), len(exercises)
    rows = tuple(
        (page.notebook, len(page.passed), len(page.passed) + len(page.open), ", ".join(page.open) or "none")
        for page in pages
    )
    notebook.publish(
        [
            ResultTable("Your exercises", ("notebook", "passed", "of", "still open"), rows, row_headers=True),
            Lines((f"{_bar(passed, of)} {passed} of {of} passed",)),
        ]
    )


def _checked(notebook: Notebook, line: str) -> list[Part]:
    exercise, answer = _named("%check", line, answer=True)
    if not notebook.has_sandbox or notebook.sandbox.name != exercise.id:
        raise CookbookError(
            f"This notebook is not at exercise {exercise.id}. Run %practice {exercise.id} to begin it, "
            f"or %sandbox {exercise.id} --resume to go on where you left it."
        )
    for dialect in exercise.databases:
        # An answer is tried in a worker, which watches the database meanwhile.
        if lacking := notebook.lack(dialect, "can_run_processes", "has_second_session"):
            raise CookbookError(f"An answer can't be tried: {lacking}.")
    grade = book.check(notebook.workspace, exercise, notebook.sandbox, answer or None)
    state = kept.record_check(notebook.workspace, exercise.id, grade.passed)
    verdict = ResultLine("✓ Passed." if grade.passed else "Not yet.", grade.sentence, good=grade.passed)
    shown: list[Part] = [verdict]
    if grade.details:
        shown.append(Lines(grade.details))
    shown += [Note(notice) for notice in grade.notices]
    if not grade.passed and state.passed(exercise.id):
        shown.append(Note(f"You passed {exercise.id} before, and that stays."))
    return shown


def _named(magic: str, line: str, *, answer: bool = False) -> tuple[Exercise, str]:
    """Return the exercise that the line names, and what follows its name."""
    name, _, rest = line.strip().partition(" ")
    if not name:
        raise CookbookError(
            f"{magic} needs the id of an exercise, like {magic} {next(iter(book.exercises()))}."
        )
    exercise = book.exercise(name)
    if rest.strip() and not answer:
        raise CookbookError(f"{magic} takes the id of an exercise and nothing else: {magic} {exercise.id}")
    return exercise, rest.strip()


def _bar(passed: int, of: int) -> str:
    """Return a bar of at most forty characters, so that its line never wraps."""
    full = round(40 * passed / of) if of else 0
    return "█" * full + "░" * (40 - full)


MAGICS = (
    LineMagic("practice", practice),
    LineMagic("check", check),
    LineMagic("hint", hint),
    LineMagic("solution", solution),
    LineMagic("progress", progress),
)
