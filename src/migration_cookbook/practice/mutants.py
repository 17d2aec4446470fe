"""Would a small mistake in a solution be noticed? Each solution is planted with mistakes, one at a time."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from migration_cookbook import mutations
from migration_cookbook.practice import solutions, trials, worlds
from migration_cookbook.practice.checking import check_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from migration_cookbook.mutations import Mutation
    from migration_cookbook.practice.attempt import Outcome
    from migration_cookbook.practice.exercise import Exercise, Step
    from migration_cookbook.practice.worlds import TrialResources
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class Mutant:
    """A solution with one mistake in it."""

    exercise: Exercise
    #: What was planted, as in `line 2: nullable=False left out`.
    mistake: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Verdict:
    mutant: Mutant
    rejected: bool
    #: What the learner would be told, or why it passed.
    sentence: str


def mutants(exercise: Exercise) -> Iterator[Mutant]:
    """Every solution that differs from the exercise's in one place."""
    steps = exercise.solution_steps
    for position, step in enumerate(steps):
        rest = (*steps[:position], *steps[position + 1 :])
        if rest and exercise.kind == "rescue":
            yield Mutant(exercise, f"step {position + 1} left out", rest)
        texts = {"revision": _code, "console": _command, "sql": _statement}.get(step.does)
        for mistake, text in texts(step.text) if texts else ():
            changed = (*steps[:position], replace(step, text=text), *steps[position + 1 :])
            yield Mutant(exercise, mistake, changed)


def judge(workspace: Workspace, exercise: Exercise) -> Iterator[Verdict]:
    """The verdict on each mutant that does anything else than the solution."""
    for mutant in mutants(exercise):
        grade = check_steps(workspace, exercise, mutant.steps)
        if not grade.passed:
            yield Verdict(mutant, True, grade.sentence)
        elif _differs(workspace, mutant):
            yield Verdict(mutant, False, "passed, though it sends other SQL")


def _differs(workspace: Workspace, mutant: Mutant) -> bool:
    with worlds.ground(workspace) as ground:
        original = _done(ground, mutant.exercise, mutant.exercise.solution_steps)
        return original != _done(ground, mutant.exercise, mutant.steps)


def _done(ground: TrialResources, exercise: Exercise, steps: Sequence[Step]) -> list[Any]:
    """What the databases saw."""
    with worlds.world(ground, exercise) as world:
        if exercise.kind != "rescue":
            before, _ = solutions.prepare(ground, exercise, world, steps)
            return _seen(trials.up_down_and_up(exercise, world, before))
        found = solutions.rescue(ground, exercise, world, steps)
        with worlds.world(ground, exercise, empty=True) as empty:
            trials.copy(world.folder, empty.folder)
            return [_seen(found), _seen(trials.up_down_and_up(exercise, empty))]


def _seen(outcome: Outcome) -> list[Any]:
    sent = {dialect: [move.sent for move in moves] for dialect, moves in outcome.moves.items()}
    return [sent, outcome.states]


def _code(source: str) -> Iterator[tuple[str, str]]:
    """Mistakes in the code of a revision."""
    for node, mistake, text in mutations.mutate(ast.parse(source), _changes):
        line = f"line {node.lineno}: " if hasattr(node, "lineno") else ""
        yield f"{line}{mistake}", text


def _changes(node: ast.AST) -> Iterator[tuple[str, Mutation]]:
    match node:
        case ast.Module(body=[*_, ast.FunctionDef(name="upgrade"), ast.FunctionDef(name="downgrade")]):
            yield "up and down exchanged", _exchange
        case ast.FunctionDef() | ast.With():
            for position, statement in enumerate(node.body):
                if not isinstance(statement, ast.Pass):
                    yield f"`{ast.unparse(statement)}` left out", mutations.remove_statement(position)
            for position in range(len(node.body) - 1):
                yield (
                    f"statements {position + 1} and {position + 2} exchanged",
                    mutations.swap_with_next(position),
                )
        case ast.Call():
            for position, keyword in enumerate(node.keywords):
                yield f"`{ast.unparse(keyword)}` left out", mutations.remove_keyword(position)
        case ast.Constant(value=bool() as value):
            yield f"{value} is {not value}", mutations.replace_constant(not value)
        case ast.Constant(value=int() as value):
            yield f"{value} is {value + 1}", mutations.replace_constant(value + 1)
        case ast.Constant(value=str() as value):
            yield f"{value!r} is {value + 'x'!r}", mutations.replace_constant(value + "x")
        case ast.Attribute(value=ast.Name(id="sa"), attr=name) if other := mutations.TYPES.get(name):
            yield f"{name} is {other}", mutations.rename_attribute(other)


def _exchange(tree: ast.Module) -> None:
    for each in tree.body:
        if isinstance(each, ast.FunctionDef):
            each.name = {"upgrade": "downgrade", "downgrade": "upgrade"}.get(each.name, each.name)


def _command(text: str) -> Iterator[tuple[str, str]]:
    """Mistakes in a command: another revision."""
    for word in re.findall(r"\b\d{4}\b", text):
        for other in (f"{int(word) - 1:04}", f"{int(word) + 1:04}"):
            yield f"{text}: {word} is {other}", text.replace(word, other)
    if text.endswith(" head"):
        yield f"{text}: one step only", text.replace(" head", " +1")


def _statement(text: str) -> Iterator[tuple[str, str]]:
    """Mistakes in SQL: a word left out, a number or a text that is another."""
    for pattern in (r" NOT NULL", r" WHERE .*", r" DEFAULT ('[^']*'|\S+)"):
        if found := re.search(pattern, text):
            yield f"`{found[0].strip()}` left out", text[: found.start()] + text[found.end() :]
    for found in re.finditer(r"\d+", text):
        other = str(int(found[0]) + 1)
        yield f"{found[0]} is {other}", text[: found.start()] + other + text[found.end() :]
    for found in re.finditer(r"'([^']*)'", text):
        yield f"{found[0]} is '{found[1]}x'", text[: found.end() - 1] + "x" + text[found.end() - 1 :]
