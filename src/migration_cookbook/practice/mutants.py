"""Solutions with one small mistake in them, and whether the checks detect it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from migration_cookbook import mutations
from migration_cookbook.practice.checking import check_steps
from migration_cookbook.practice.trial_resources import trial_resources

if TYPE_CHECKING:
    from collections.abc import Iterator

    from migration_cookbook.mutations import Mutation
    from migration_cookbook.practice.attempt import TrialResult
    from migration_cookbook.practice.exercise import Exercise
    from migration_cookbook.practice.step import Step
    from migration_cookbook.workspace import Workspace


@dataclass(frozen=True)
class MutatedSolution:
    """A solution with one mistake in it."""

    exercise: Exercise
    #: As in `line 2: nullable=False left out`.
    mistake: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class MutationResult:
    """Whether the checks detect the mistake in a solution."""

    mutant: MutatedSolution
    rejected: bool
    #: What the learner would read, or why it passed.
    sentence: str


def mutants(exercise: Exercise) -> Iterator[MutatedSolution]:
    """Yield every solution that differs from the exercise's in one place."""
    steps = exercise.solution_steps
    for position, step in enumerate(steps):
        rest = (*steps[:position], *steps[position + 1 :])
        if rest and exercise.kind.includes_databases:
            yield MutatedSolution(exercise, f"step {position + 1} left out", rest)
        texts = {"revision": _code, "console": _command, "sql": _statement}.get(step.does)
        for mistake, text in texts(step.text) if texts else ():
            changed = (*steps[:position], replace(step, text=text), *steps[position + 1 :])
            yield MutatedSolution(exercise, mistake, changed)


def judge(workspace: Workspace, exercise: Exercise) -> Iterator[MutationResult]:
    """Check each mutant that does anything else than the solution."""
    for mutant in mutants(exercise):
        grade = check_steps(workspace, exercise, mutant.steps)
        if not grade.passed:
            yield MutationResult(mutant, True, grade.sentence)
        elif _differs(workspace, mutant):
            yield MutationResult(mutant, False, "passed, though it sends other SQL")


def _differs(workspace: Workspace, mutant: MutatedSolution) -> bool:
    """Whether the databases get anything else than from the solution."""
    exercise = mutant.exercise
    with trial_resources(workspace) as resources:
        original, mutated = (
            [_effects(result) for result in exercise.kind.perform(resources, exercise, steps)]
            for steps in (exercise.solution_steps, mutant.steps)
        )
    return original != mutated


def _effects(result: TrialResult) -> list[Any]:
    sent = {dialect: [each.sent for each in executions] for dialect, executions in result.executions.items()}
    return [sent, result.states]


def _code(source: str) -> Iterator[tuple[str, str]]:
    """Yield mistakes in the code of a revision."""
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
    """Yield mistakes in a command: another revision."""
    for word in re.findall(r"\b\d{4}\b", text):
        for other in (f"{int(word) - 1:04}", f"{int(word) + 1:04}"):
            yield f"{text}: {word} is {other}", text.replace(word, other)
    if text.endswith(" head"):
        yield f"{text}: one step only", text.replace(" head", " +1")


def _statement(text: str) -> Iterator[tuple[str, str]]:
    """Yield mistakes in SQL: a word left out, another number or string."""
    for pattern in (r" NOT NULL", r" WHERE .*", r" DEFAULT ('[^']*'|\S+)"):
        if found := re.search(pattern, text):
            yield f"`{found[0].strip()}` left out", text[: found.start()] + text[found.end() :]
    for found in re.finditer(r"\d+", text):
        other = str(int(found[0]) + 1)
        yield f"{found[0]} is {other}", text[: found.start()] + other + text[found.end() :]
    for found in re.finditer(r"'([^']*)'", text):
        yield f"{found[0]} is '{found[1]}x'", text[: found.end() - 1] + "x" + text[found.end() - 1 :]
