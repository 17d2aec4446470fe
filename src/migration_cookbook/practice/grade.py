"""Is this outcome as good as the solution's? If not, what is the one thing to say?"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.practice.sentences import constraints, differences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migration_cookbook.practice.attempt import Move, Outcome, State
    from migration_cookbook.practice.exercise import Exercise


@dataclass(frozen=True)
class Grade:
    """What a check says."""

    passed: bool
    #: One sentence in the learner's terms; words in backquotes are code.
    sentence: str
    #: What a database said that refused, to be shown below.
    details: tuple[str, ...] = ()
    #: What could not be checked here, with the remedy.
    notices: tuple[str, ...] = ()

    def noting(self, *notices: str) -> Grade:
        return replace(self, notices=(*self.notices, *notices))


RIGHT = "That is right."


@dataclass(frozen=True)
class _Phase:
    """One of the steps of a trial: up, down, up again."""

    name: str
    #: What is known to be right when this one goes wrong.
    before: str
    when: str
    #: What is wrong with a thing that should not be there.
    leftover: str


_PHASES = (
    _Phase("the upgrade", "", "", "should not be there"),
    _Phase("the downgrade", "Going up is right. ", "after the downgrade", "is still there"),
    _Phase(
        "the second upgrade",
        "Going up and down is right. ",
        "after the second upgrade",
        "should not be there",
    ),
)


@dataclass(frozen=True)
class _Fault:
    """The first thing that goes wrong."""

    text: str
    #: The only databases on which it does; empty where it does on all.
    where: str
    phase: _Phase = _PHASES[0]
    refused: bool = False
    details: tuple[str, ...] = ()


def grade_trial(exercise: Exercise, wanted: Outcome, found: Outcome) -> Grade:
    """A revision or a repair: up, down and up again as far as it was tried, against the solution's."""
    if early := grade_files(found):
        return early
    fault = _fault_of_trial(wanted, found, _names_that_matter(exercise, wanted))
    if fault is None:
        return _count(exercise, wanted, found) or _waiting(wanted, found) or Grade(True, RIGHT)
    where = fault.where or _everywhere(found)
    if fault.phase.when and not fault.refused:
        place = f", {fault.where}" if fault.where else ""
        said = f"{_capital(fault.phase.when)}{place} {fault.text}"
    else:
        said = f"{_capital(where)} {fault.text}"
    return Grade(False, f"{fault.phase.before}{said}.", fault.details)


def grade_rescue(exercise: Exercise, wanted: Outcome, found: Outcome) -> Grade:
    """A rescue: the databases as they are now."""
    names = _names_that_matter(exercise, wanted)
    complaints = {
        dialect: list(differences(wanted.states[dialect][-1], states[-1], names, "should not be there"))
        for dialect, states in found.states.items()
    }
    places = {dialect: _place(found, states[-1]) for dialect, states in found.states.items()}
    behind = _first(places)
    if (fault := _first(complaints) or behind) is None:
        return Grade(True, RIGHT)
    # Whoever has mended the file and not run it looks for the mistake in the file.
    details = (_said(behind, found).replace("`", ""),) if behind and fault is not behind else ()
    return Grade(False, _said(fault, found), details)


def _said(fault: _Fault, found: Outcome) -> str:
    return f"{_capital(fault.where or _everywhere(found))} {fault.text}."


def grade_rescued_files(
    exercise: Exercise, wanted: Outcome, wanted_from_nothing: Outcome, from_nothing: Outcome
) -> Grade:
    """A rescue: what its files make of empty databases, as far as it was tried."""
    fault = _fault_of_trial(wanted_from_nothing, from_nothing, _names_that_matter(exercise, wanted))
    if fault is None:
        return Grade(True, RIGHT)
    when = "" if fault.refused else fault.phase.when
    said = " ".join(word for word in (when, fault.where, fault.text) if word)
    sentence = f"Your databases are right, but the files are not: tried on empty ones, {said}."
    return Grade(False, sentence, fault.details)


def grade_answer(exercise: Exercise, run: Outcome, answer: str) -> Grade:
    """A prediction, against what the run came to."""
    judge = {"refuses": _grade_refuses, "current": _grade_current, "sql": _grade_sql}[exercise.question]
    grade = judge(exercise, run, answer)
    known = [wrong for wrong in exercise.wrongs if _plain(wrong.answer) == _plain(answer)]
    return replace(grade, sentence=known[0].message) if known and not grade.passed else grade


def grade_files(found: Outcome) -> Grade | None:
    """What is wrong with the project's revisions, before anything runs."""
    if found.unreadable:
        return Grade(False, found.unreadable)
    if len(found.heads) > 1:
        *heads, last = (f"`{head}`" for head in sorted(found.heads))
        return Grade(False, f"The heads are {', '.join(heads)} and {last}; there should be one.")
    return None


def _names_that_matter(exercise: Exercise, wanted: Outcome) -> frozenset[str]:
    """Names that the prompt gives, and those that were there before."""
    # A rescue's first look and a trial's second one, after the way down, are the start.
    look = 0 if exercise.kind == "rescue" else 1
    schemas = [states[look].schema for states in wanted.states.values()]
    tables = [table for schema in schemas for table in schema.tables]
    before = {one.name for table in tables for one in constraints(table)}
    before |= {one.name for table in tables for one in table.indexes}
    return frozenset(re.findall(r"\w+", exercise.prompt)) | {name for name in before if name}


def _place(found: Outcome, state: State) -> list[str]:
    if state.place == found.heads:
        return []
    if unknown := set(state.place) - {each.id for each in found.revisions}:
        return [f"`alembic_version` names `{', '.join(sorted(unknown))}`, which no file has"]
    at = f"at `{', '.join(state.place)}`" if state.place else "at no revision"
    return [f"the bookkeeping is {at}; the head is `{', '.join(found.heads)}`"]


def _count(exercise: Exercise, wanted: Outcome, found: Outcome) -> Grade | None:
    """Too many or too few revisions; one that does nothing is none."""
    if exercise.revisions is None:
        return None
    there, right = (sum(not each.does_nothing for each in one.revisions) for one in (found, wanted))
    if there == right:
        return None
    new = there - right + exercise.revisions
    revisions = "revision" if new == 1 else "revisions"
    return Grade(
        False, f"It does what it should, in {new} new {revisions}; it should be {exercise.revisions}."
    )


def _waiting(wanted: Outcome, found: Outcome) -> Grade | None:
    """Somebody who has to wait for it, and would not for the solution."""
    moves = zip(wanted.moves.get(Dialect.POSTGRES, ()), found.moves.get(Dialect.POSTGRES, ()), strict=False)
    for phase, (right, move) in zip(_PHASES, moves, strict=False):
        bearable = {lock.relation: set(lock.waiting) for lock in right.locks}
        for lock in move.locks:
            if extra := [word for word in lock.waiting if word not in bearable.get(lock.relation, set())]:
                words = f"{', '.join(extra[:-1])} and {extra[-1]}" if len(extra) > 1 else extra[0]
                waits = "wait" if len(extra) > 1 else "waits"
                return Grade(
                    False,
                    f"It does what it should, but on PostgreSQL {words} on `{lock.relation}` {waits} for {phase.name}; "
                    "it can do without that.",
                )
    return None


def _fault_of_trial(wanted: Outcome, found: Outcome, names: frozenset[str]) -> _Fault | None:
    tried = min(len(states) for states in found.states.values())
    for position, phase in enumerate(_PHASES[:tried]):
        moves = {dialect: each[position] for dialect, each in found.moves.items()}
        if refused := {dialect: move for dialect, move in moves.items() if move.failure}:
            where = "" if len(refused) == len(moves) else _on(*refused)
            return _Fault(f"{phase.name} fails", where, phase, True, _words(refused))
        complaints = {
            dialect: list(
                differences(wanted.states[dialect][position], states[position], names, phase.leftover)
            )
            for dialect, states in found.states.items()
        }
        if fault := _first(complaints):
            return replace(fault, phase=phase)
    return None


def _first(complaints: Mapping[Dialect, Sequence[str]]) -> _Fault | None:
    """The first thing that all databases have in common, or else the first of all."""
    first = next((each for each in complaints.values() if each), None)
    if first is None:
        return None
    common = [one for one in first if all(one in other for other in complaints.values())]
    if common:
        return _Fault(common[0], "")
    dialect = next(dialect for dialect, each in complaints.items() if each)
    return _Fault(complaints[dialect][0], _on(dialect))


def _everywhere(found: Outcome) -> str:
    return "on both databases" if len(found.states) > 1 else _on(*found.states)


def _on(*dialects: Dialect) -> str:
    return f"on {' and '.join(dialect.title for dialect in dialects)}"


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _words(refused: Mapping[Dialect, Move]) -> tuple[str, ...]:
    lines = []
    for dialect, move in refused.items():
        assert move.failure is not None
        lines.append(f"{dialect.title}: {' '.join(move.failure.headline())}")
        if move.failure.where:
            lines.append(f"  from {move.failure.where}")
    return tuple(lines)


_NAMES = {
    "sqlite": "sqlite",
    "postgres": "postgres",
    "postgresql": "postgres",
    "both": "both",
    "neither": "neither",
    "none": "neither",
    "nobody": "neither",
}


def _grade_refuses(exercise: Exercise, run: Outcome, answer: str) -> Grade:
    said = _NAMES.get(_plain(answer))
    if said is None:
        return Grade(False, "The answer is one of `sqlite`, `postgres`, `both` or `neither`.")
    refused = [dialect for dialect, moves in run.moves.items() if any(move.failure for move in moves)]
    right = "both" if len(refused) == 2 else str(refused[0]) if refused else "neither"
    return (
        Grade(True, RIGHT)
        if said == right
        else Grade(False, f"Not `{said}`: run it in the sandbox, and look.")
    )


def _grade_current(exercise: Exercise, run: Outcome, answer: str) -> Grade:
    printed = [_plain(line) for line in _last(exercise, run).lines if line.strip()]
    said = [] if _plain(answer) in ("", "nothing", "empty") else [_plain(line) for line in answer.split(",")]
    if said == printed or said == [line.removesuffix("(head)").strip() for line in printed]:
        return Grade(True, RIGHT)
    if [line.removesuffix("(head)").strip() for line in said] == printed:
        return Grade(False, "The revision is right. Is it the head?")
    return Grade(False, f"It does not print `{answer.strip()}`: run it in the sandbox, and look.")


def _grade_sql(exercise: Exercise, run: Outcome, answer: str) -> Grade:
    sent = [_sql(each) for each in _last(exercise, run).sent if not _BOOKKEEPING.match(each)]
    said = [_sql(each) for each in answer.split(";") if each.strip()]
    if said == sent:
        return Grade(True, RIGHT)
    if len(said) != len(sent):
        return Grade(False, f"That is {_statements(len(said))}; it sends {_statements(len(sent))}.")
    return Grade(False, "That is not what it sends: run it in the sandbox, and look with `%sent`.")


_BOOKKEEPING = re.compile(
    r"(BEGIN|COMMIT|ROLLBACK|PRAGMA|SAVEPOINT|RELEASE)\b|.*\balembic_version\b", re.IGNORECASE
)


def _statements(count: int) -> str:
    return f"{count} statement{'' if count == 1 else 's'}"


def _sql(statement: str) -> str:
    """A statement without what doesn't count: blanks, capitals outside of quotes, quotes around names."""
    pieces = re.split(r"('(?:[^']|'')*')", statement.strip().rstrip(";"))
    plain = [piece if i % 2 else piece.lower().replace('"', "") for i, piece in enumerate(pieces)]
    return re.sub(r"\s*([(),=])\s*", r"\1", " ".join("".join(plain).split()))


def _last(exercise: Exercise, run: Outcome) -> Move:
    return run.moves[exercise.on or Dialect.SQLITE][-1]


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("`", "").rstrip(".;").split())
