"""What does an exercise say?

An exercise is one Markdown file below `chapters/exercises/`: front matter, the prompt,
hints, the solution, and known-wrong answers. It is read strictly, line by line.
"""

from __future__ import annotations

import difflib
import re
import shlex
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

import yaml  # type: ignore[import-untyped]

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.sandbox import project
from migration_cookbook.workspace import CookbookError, checkout

if TYPE_CHECKING:
    from pathlib import Path

KINDS = ("revision", "repair", "predict", "rescue")
QUESTIONS = ("refuses", "current", "sql")
_REQUIRED = ("id", "title", "notebook", "kind", "start", "databases", "minutes")
_OPTIONAL = ("question", "on", "revisions", "locks", "message")

_FENCE = re.compile(r"(?P<marks>`{3,})(?P<language>\w*)(?:\s+\{(?P<options>.*)\})?\s*")
_ID = re.compile(r"[a-z][a-z0-9-]*")

#: The language of a fence, and the options that it takes.
_FENCES = {
    "python": {"revision", "after", "message"},
    "console": {"on"},
    "sql": {"on"},
    "file": {"path"},
    "remove": {"path"},
    "text": set[str](),
}


@dataclass(frozen=True)
class Step:
    """One thing to be done in a project: what a fence, or a line of a console, says."""

    does: Literal["revision", "console", "sql", "file", "remove", "look", "snapshot"]
    #: The code, the command, the statement, or the file's content.
    text: str
    #: The databases it is for; None is all of the exercise.
    on: Dialect | None = None
    #: Of a file, below the project's folder.
    path: str = ""
    #: Of a revision: its id, the one before it (None is base), and its message.
    revision: str = ""
    after: str | None = None
    message: str = ""
    #: Whether to look at what it locks.
    watched: bool = False

    @property
    def needs_database(self) -> bool:
        return self.does in ("console", "sql")


@dataclass(frozen=True)
class Wrong:
    """An answer that is known to be wrong, and what its author is to be told."""

    title: str
    steps: tuple[Step, ...]
    #: Of a prediction.
    answer: str
    message: str


@dataclass(frozen=True)
class Exercise:
    """One exercise, as its author wrote it."""

    path: Path
    id: str
    title: str
    #: The slug of the page that shows it.
    notebook: str
    kind: Literal["revision", "repair", "predict", "rescue"]
    #: Where files and databases stand at the start: a revision, `base` or `bare`.
    start: str
    databases: tuple[Dialect, ...]
    minutes: int
    #: Of a prediction: what is asked, and of which database.
    question: str
    on: Dialect | None
    #: How many new revisions it takes, where that is the point.
    revisions: int | None
    #: Whether the point is who must wait for it on PostgreSQL.
    locks: bool
    prompt: str
    given: tuple[Step, ...]
    hints: tuple[str, ...]
    #: As the learner reads it, and as it is run.
    solution: str
    solution_steps: tuple[Step, ...]
    wrongs: tuple[Wrong, ...]

    @property
    def floor(self) -> str:
        """How far down a trial goes: to below the first revision that an answer writes.

        Where that is a given one, going further would hide what the way down leaves behind.
        """
        given = {step.revision for step in self.given if step.does == "revision"}
        written = [step.after for step in self.solution_steps if step.does == "revision"]
        below = written[0] if written else None
        return below if below is not None and below in given else self.start

    @property
    def place(self) -> str:
        """How messages name the file."""
        return f"chapters/exercises/{self.path.name}"


@cache
def exercises() -> dict[str, Exercise]:
    """All exercises of the book by id, in the order of their pages."""
    folder = checkout()
    if folder is None:
        raise CookbookError(
            "The exercises are part of the cookbook's checkout. Clone the cookbook, and run this there."
        )
    read: dict[str, Exercise] = {}
    for path in sorted((folder / "chapters" / "exercises").glob("*.md")):
        one = read_exercise(path)
        if one.id in read:
            raise CookbookError(f"{one.place}:1: the id {one.id} is {read[one.id].place}'s already.")
        read[one.id] = one
    return read


def exercise(name: str) -> Exercise:
    """The exercise of this id, also where it is written in capitals."""
    known = exercises()
    wanted = name.strip().lower()
    if wanted in known:
        return known[wanted]
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=0.5)
    help_ = f"Did you mean {near[0]}?" if near else "`%progress` lists those that there are."
    raise CookbookError(f"There is no exercise {name.strip()}. {help_}")


def read_exercise(path: Path) -> Exercise:
    """Read one exercise, or say in which line it goes wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CookbookError(f"chapters/exercises/{path.name} can't be read as UTF-8 text: {error}") from None
    return _Reader(path, text.split("\n")).exercise()


@dataclass(frozen=True)
class _Section:
    title: str
    #: The lines of its body, and the index of the first one.
    lines: tuple[str, ...]
    first: int

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


@dataclass(frozen=True)
class _Fence:
    language: str
    options: dict[str, str]
    lines: tuple[str, ...]
    index: int


class _Reader:
    """Goes through the lines of one exercise."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self.path = path
        self.lines = lines
        self.front: dict[str, str] = {}

    def exercise(self) -> Exercise:
        first = self._front_matter()
        prompt, *sections = self._sections(first)
        self._check_order(sections)
        if not prompt.text:
            raise self._error(first, "the prompt is missing: what is the learner to do?")
        named = {title: [s for s in sections if s.title == title] for title in ("Given", "Hint", "Solution")}
        solution = named["Solution"][0]
        predicts = self.front["kind"] == "predict"
        return Exercise(
            path=self.path,
            id=self.front["id"],
            title=self.front["title"],
            notebook=self.front["notebook"],
            kind=self.front["kind"],  # type: ignore[arg-type]  # one of KINDS
            start=self.front["start"],
            databases=self._databases(),
            minutes=self._number("minutes"),
            question=self.front.get("question", ""),
            on=Dialect(self.front["on"]) if "on" in self.front else None,
            revisions=self._number("revisions") if "revisions" in self.front else None,
            locks="locks" in self.front,
            prompt=prompt.text,
            given=tuple(step for each in named["Given"] for step in self._steps(each)),
            hints=tuple(self._hint(each) for each in named["Hint"]),
            solution=solution.text,
            solution_steps=() if predicts else self._steps(solution),
            wrongs=tuple(self._wrong(each) for each in sections if each.title.startswith("Wrong: ")),
        )

    def _error(self, index: int, message: str) -> CookbookError:
        return CookbookError(f"chapters/exercises/{self.path.name}:{index + 1}: {message}")

    def _front_matter(self) -> int:
        """Read the front matter; the index of the line after it."""
        ends = [i for i, line in enumerate(self.lines) if line == "---"]
        if len(ends) < 2 or ends[0] != 0:
            raise self._error(0, "the front matter is missing: it stands between two lines `---`.")
        try:
            # Every value is a text here: `0003` is no number, and `on` is not True.
            values = yaml.load("\n".join(self.lines[1 : ends[1]]), Loader=yaml.BaseLoader)
        except yaml.YAMLError as error:
            raise self._error(0, f"the front matter is no YAML: {' '.join(str(error).split())}") from None
        self.front = values if isinstance(values, dict) else {}
        if missing := [key for key in _REQUIRED if key not in self.front]:
            raise self._error(0, f"the front matter lacks {', '.join(missing)}.")
        if other := [key for key in self.front if key not in (*_REQUIRED, *_OPTIONAL)]:
            raise self._error(0, f"the front matter knows no {', '.join(other)}.")
        self._check_front()
        return ends[1] + 1

    def _check_front(self) -> None:
        front = self.front
        predicts = front["kind"] == "predict"
        asks_one = front.get("question") in ("current", "sql")
        starts = ("bare", "base", *(revision.id for revision in project.revisions()))
        for ok, message in (
            (_ID.fullmatch(front["id"]), "`id` takes small letters, digits and hyphens."),
            (
                self.path.name.startswith(f"{front['id']}-"),
                f"the file's name must begin with {front['id']}-.",
            ),
            (front["kind"] in KINDS, f"`kind` is one of {', '.join(KINDS)}."),
            (front["start"] in starts, f"`start` is one of {', '.join(starts)}."),
            (predicts == ("question" in front), "a predict names its `question`, no other kind does."),
            (
                not predicts or front.get("question") in QUESTIONS,
                f"`question` is one of {', '.join(QUESTIONS)}.",
            ),
            (asks_one == ("on" in front), "`on` belongs to the questions current and sql."),
            (front.get("on", "sqlite") in list(Dialect), "`on` is sqlite or postgres."),
            (
                front.get("locks", "matter") == "matter"
                and ("locks" not in front or front["kind"] in ("revision", "repair")),
                "`locks: matter` belongs to a revision or a repair.",
            ),
        ):
            if not ok:
                raise self._error(0, message)

    def _number(self, key: str) -> int:
        if not re.fullmatch(r"[1-9]\d?", self.front[key]):
            raise self._error(0, f"`{key}` is a number from 1 to 99.")
        return int(self.front[key])

    def _databases(self) -> tuple[Dialect, ...]:
        names = self.front["databases"]
        if not isinstance(names, list) or not names or not set(names) <= set(Dialect):
            raise self._error(0, "`databases` is [sqlite, postgres], or one of them.")
        return tuple(dialect for dialect in Dialect if dialect in names)

    def _sections(self, first: int) -> list[_Section]:
        """The prompt, then what stands below each heading."""
        starts, marks = [(first - 1, "")], ""
        for index in range(first, len(self.lines)):
            line = self.lines[index]
            if fence := _FENCE.fullmatch(line):
                if not marks:
                    marks = fence["marks"]
                elif line == marks:
                    marks = ""
            elif not marks and line.startswith("## "):
                starts.append((index, line[3:].strip()))
        ends = [start for start, _ in starts[1:]] + [len(self.lines)]
        return [
            _Section(title, tuple(self.lines[start + 1 : end]), start + 1)
            for (start, title), end in zip(starts, ends, strict=True)
        ]

    def _check_order(self, sections: list[_Section]) -> None:
        order = ["Given", "Hint", "Solution", "Wrong"]
        ranks = []
        for each in sections:
            name = "Wrong" if each.title.startswith("Wrong: ") else each.title
            if name not in order:
                raise self._error(
                    each.first - 1,
                    f"no section is called {each.title!r}: Given, Hint, Solution or Wrong: TITLE.",
                )
            ranks.append(order.index(name))
        if ranks != sorted(ranks) or ranks.count(0) > 1 or ranks.count(2) != 1 or ranks.count(1) < 1:
            raise self._error(0, "the sections are Given, one or more Hint, one Solution, any Wrong: TITLE.")
        if (0 in ranks) != (self.front["kind"] != "revision"):
            raise self._error(
                0, "a `## Given` stands in a repair, a predict and a rescue, and in no revision."
            )

    def _hint(self, section: _Section) -> str:
        if not section.text:
            raise self._error(section.first - 1, "the hint is empty.")
        return section.text

    def _wrong(self, section: _Section) -> Wrong:
        quote = [line.removeprefix(">").strip() for line in section.lines if line.startswith(">")]
        if not quote:
            raise self._error(section.first - 1, "a known-wrong answer ends with its message: > On both …")
        steps, answers = self._steps(section), [f for f in self._fences(section) if f.language == "text"]
        predicts = self.front["kind"] == "predict"
        if bool(answers) != predicts or bool(steps) == predicts:
            raise self._error(section.first - 1, "a predict's wrong answer is one ```text, others are steps.")
        title = section.title.removeprefix("Wrong: ")
        return Wrong(title, steps, "\n".join(answers[0].lines) if answers else "", " ".join(quote))

    def _steps(self, section: _Section) -> tuple[Step, ...]:
        """What the section's fences say, one after the other."""
        steps: list[Step] = []
        last = self.front["start"]
        for fence in self._fences(section):
            options = fence.options
            body = "\n".join(fence.lines)
            on = Dialect(options["on"]) if options.get("on") in list(Dialect) else None
            if "on" in options and on is None:
                raise self._error(fence.index, "`on` is sqlite or postgres.")
            if fence.language == "python":
                after = options.get("after", last)
                last = options.get("revision") or self._next(fence, after)
                message = options.get("message") or self.front.get("message") or self.front["title"]
                before = None if after in ("base", "bare") else after
                steps.append(Step("revision", body + "\n", None, "", last, before, message))
            elif fence.language == "console":
                steps += [self._command(fence, line, on) for line in fence.lines if line.strip()]
            elif fence.language == "sql":
                parts = re.split(r";[ \t]*(?:\n|$)", body)
                steps += [Step("sql", part.strip(), on) for part in parts if part.strip()]
            elif fence.language == "file":
                steps.append(Step("file", body + "\n", path=self._path(fence)))
            elif fence.language == "remove":
                steps.append(Step("remove", "", path=self._path(fence)))
        return tuple(steps)

    def _next(self, fence: _Fence, after: str) -> str:
        if after in ("base", "bare"):
            return "0001"
        if not after.isdigit():
            raise self._error(
                fence.index, f"name the revision after {after}: ```python {{revision=… after={after}}}"
            )
        return f"{int(after) + 1:04}"

    def _path(self, fence: _Fence) -> str:
        path = fence.options.get("path", "")
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise self._error(fence.index, f"name a path of the project: ```{fence.language} {{path=…}}")
        return path

    def _command(self, fence: _Fence, line: str, on: Dialect | None) -> Step:
        if not line.startswith("$ alembic "):
            raise self._error(fence.index, f"a line of a console begins with `$ alembic `: {line}")
        command = line.removeprefix("$ alembic ").strip()
        if named := re.search(r"\s+--on (\w+)$", command):
            if named[1] not in list(Dialect):
                raise self._error(fence.index, "--on takes sqlite or postgres.")
            on, command = Dialect(named[1]), command[: named.start()]
        return Step("console", command, on)

    def _fences(self, section: _Section) -> list[_Fence]:
        found: list[_Fence] = []
        start = None
        for offset, line in enumerate(section.lines):
            if start is None:
                if line.startswith("```"):
                    start = offset
            elif line == "```":
                found.append(self._fence(section, start, offset))
                start = None
        if start is not None:
            raise self._error(section.first + start, "the fence is never closed.")
        return found

    def _fence(self, section: _Section, start: int, end: int) -> _Fence:
        index = section.first + start
        opening = _FENCE.fullmatch(section.lines[start])
        if opening is None or opening["language"] not in _FENCES:
            raise self._error(index, f"a fence is one of {', '.join(_FENCES)}.")
        pairs = [word.partition("=") for word in shlex.split(opening["options"] or "")]
        options = {key: value for key, _, value in pairs}
        if other := set(options) - _FENCES[opening["language"]]:
            raise self._error(index, f"a fence {opening['language']} takes no {', '.join(sorted(other))}.")
        return _Fence(opening["language"], options, section.lines[start + 1 : end], index)
