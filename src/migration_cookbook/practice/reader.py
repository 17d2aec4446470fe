"""The strict reader of an exercise's file.

An exercise is one Markdown file below `chapters/exercises/`: front matter, the prompt,
hints, the solution, and known-wrong answers.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped]

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.practice.exercise import Exercise, Wrong
from migration_cookbook.practice.kinds import KINDS
from migration_cookbook.practice.step import Step
from migration_cookbook.sandbox import project
from migration_cookbook.strict_markdown import Fence, MarkdownFile, read_markdown_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from migration_cookbook.practice.exercise import Kind
    from migration_cookbook.workspace import CookbookError

_REQUIRED = ("id", "title", "notebook", "kind", "start", "databases", "minutes")
_OPTIONAL = ("question", "on", "revisions", "locks", "message")

_ID = re.compile(r"[a-z][a-z0-9-]*")
_INFO = re.compile(r"(?P<language>\w*)(?:\s+\{(?P<options>.*)\})?")

#: The language of a fence, and the options that it takes.
_LANGUAGES = {
    "python": {"revision", "after", "message"},
    "console": {"on"},
    "sql": {"on"},
    "file": {"path"},
    "remove": {"path"},
    "text": set[str](),
}


def read_exercise(path: Path) -> Exercise:
    """Read one exercise, or say in which line it goes wrong."""
    return _ExerciseReader(path, read_markdown_file(path, f"chapters/exercises/{path.name}")).exercise()


@dataclass(frozen=True)
class _Section:
    title: str
    #: The lines of its body, and the index of the first one.
    lines: tuple[str, ...]
    first: int
    fences: tuple[Fence, ...]

    @property
    def text(self) -> str:
        return "\n".join(self.lines).strip()


@dataclass(frozen=True)
class _Code:
    """A fence of an exercise, as its author means it."""

    language: str
    options: dict[str, str]
    lines: tuple[str, ...]
    index: int


class _ExerciseReader:
    """Goes once through the lines of an exercise."""

    def __init__(self, path: Path, file: MarkdownFile) -> None:
        self.path = path
        self.file = file
        matter = file.front_matter(
            yaml.BaseLoader
        )  # every value is a text: `0003` is no number, `on` not True
        self.front: dict[str, Any] = matter.values
        self.first = matter.end
        self._check_keys()
        self.kind = self._kind()
        self._check_values()

    def exercise(self) -> Exercise:
        prompt, *sections = self._sections()
        self._check_order(sections)
        if not prompt.text:
            raise self._error(self.first, "the prompt is missing: what is the learner to do?")
        named = {title: [s for s in sections if s.title == title] for title in ("Given", "Hint", "Solution")}
        solution = named["Solution"][0]
        return Exercise(
            path=self.path,
            id=self.front["id"],
            title=self.front["title"],
            notebook=self.front["notebook"],
            kind=self.kind,
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
            solution_steps=() if self.kind.takes_answer else self._steps(solution),
            wrongs=tuple(self._wrong(each) for each in sections if each.title.startswith("Wrong: ")),
        )

    def _error(self, index: int, message: str) -> CookbookError:
        return self.file.error(index, message)

    def _check_keys(self) -> None:
        if missing := [key for key in _REQUIRED if key not in self.front]:
            raise self._error(0, f"the front matter lacks {', '.join(missing)}.")
        if other := [key for key in self.front if key not in (*_REQUIRED, *_OPTIONAL)]:
            raise self._error(0, f"the front matter knows no {', '.join(other)}.")

    def _kind(self) -> Kind:
        for kind in KINDS:
            if kind.name == self.front["kind"]:
                return kind
        raise self._error(0, f"`kind` is one of {', '.join(kind.name for kind in KINDS)}.")

    def _check_values(self) -> None:
        front, kind = self.front, self.kind
        question = kind.questions.get(front.get("question", ""))
        starts = ("bare", "base", *(revision.id for revision in project.revisions()))
        for ok, message in (
            (_ID.fullmatch(front["id"]), "`id` takes small letters, digits and hyphens."),
            (
                self.path.name.startswith(f"{front['id']}-"),
                f"the file's name must begin with {front['id']}-.",
            ),
            (front["start"] in starts, f"`start` is one of {', '.join(starts)}."),
            (
                kind.takes_answer == ("question" in front),
                f"a {kind.name} {'names its' if kind.takes_answer else 'has no'} `question`.",
            ),
            (
                not kind.takes_answer or question is not None,
                f"`question` is one of {', '.join(kind.questions)}.",
            ),
            (
                (question is not None and question.names_database) == ("on" in front),
                f"`on` belongs to the questions {' and '.join(_questions_about_one_database())}.",
            ),
            (front.get("on", "sqlite") in list(Dialect), "`on` is sqlite or postgres."),
            (
                front.get("locks", "matter") == "matter" and ("locks" not in front or kind.may_watch_locks),
                f"`locks: matter` belongs to {' or '.join(f'a {one.name}' for one in KINDS if one.may_watch_locks)}.",
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

    def _sections(self) -> list[_Section]:
        """Return the prompt, then what is below each heading."""
        fences = tuple(self.file.fences(self.first))
        fenced = {index for fence in fences for index in range(fence.start, fence.end + 1)}
        starts = [(self.first - 1, "")]
        for index in range(self.first, len(self.file.lines)):
            line = self.file.lines[index]
            if index not in fenced and line.startswith("## "):
                starts.append((index, line[3:].strip()))
        ends = [start for start, _ in starts[1:]] + [len(self.file.lines)]
        return [
            _Section(
                title,
                self.file.lines[start + 1 : end],
                start + 1,
                tuple(fence for fence in fences if start < fence.start < end),
            )
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
        if (0 in ranks) != self.kind.has_given:
            raise self._error(
                0, f"`## Given` belongs in {'a' if self.kind.has_given else 'no'} {self.kind.name}."
            )

    def _hint(self, section: _Section) -> str:
        if not section.text:
            raise self._error(section.first - 1, "the hint is empty.")
        return section.text

    def _wrong(self, section: _Section) -> Wrong:
        quote = [line.removeprefix(">").strip() for line in section.lines if line.startswith(">")]
        if not quote:
            raise self._error(section.first - 1, "a known-wrong answer ends with its message: > On both …")
        steps = self._steps(section)
        answers = [code for code in map(self._code, section.fences) if code.language == "text"]
        takes_answer = self.kind.takes_answer
        if bool(answers) != takes_answer or bool(steps) == takes_answer:
            form = "one ```text" if takes_answer else "steps"
            raise self._error(section.first - 1, f"the wrong answer of a {self.kind.name} is {form}.")
        title = section.title.removeprefix("Wrong: ")
        return Wrong(title, steps, "\n".join(answers[0].lines) if answers else "", " ".join(quote))

    def _steps(self, section: _Section) -> tuple[Step, ...]:
        """Return what the section's fences say, one after the other."""
        steps: list[Step] = []
        last = self.front["start"]
        for code in map(self._code, section.fences):
            options = code.options
            body = "\n".join(code.lines)
            on = Dialect(options["on"]) if options.get("on") in list(Dialect) else None
            if "on" in options and on is None:
                raise self._error(code.index, "`on` is sqlite or postgres.")
            if code.language == "python":
                after = options.get("after", last)
                last = options.get("revision") or self._next(code, after)
                message = options.get("message") or self.front.get("message") or self.front["title"]
                before = None if after in ("base", "bare") else after
                steps.append(Step("revision", body + "\n", None, "", last, before, message))
            elif code.language == "console":
                steps += [self._command(code, line, on) for line in code.lines if line.strip()]
            elif code.language == "sql":
                parts = re.split(r";[ \t]*(?:\n|$)", body)
                steps += [Step("sql", part.strip(), on) for part in parts if part.strip()]
            elif code.language == "file":
                steps.append(Step("file", body + "\n", path=self._path(code)))
            elif code.language == "remove":
                steps.append(Step("remove", "", path=self._path(code)))
        return tuple(steps)

    def _next(self, code: _Code, after: str) -> str:
        if after in ("base", "bare"):
            return "0001"
        if not after.isdigit():
            raise self._error(
                code.index, f"name the revision after {after}: ```python {{revision=… after={after}}}"
            )
        return f"{int(after) + 1:04}"

    def _path(self, code: _Code) -> str:
        path = code.options.get("path", "")
        if not path or path.startswith("/") or ".." in path.split("/"):
            raise self._error(code.index, f"name a path of the project: ```{code.language} {{path=…}}")
        return path

    def _command(self, code: _Code, line: str, on: Dialect | None) -> Step:
        if not line.startswith("$ alembic "):
            raise self._error(code.index, f"a line of a console begins with `$ alembic `: {line}")
        command = line.removeprefix("$ alembic ").strip()
        if named := re.search(r"\s+--on (\w+)$", command):
            if named[1] not in list(Dialect):
                raise self._error(code.index, "--on takes sqlite or postgres.")
            on, command = Dialect(named[1]), command[: named.start()]
        return Step("console", command, on)

    def _code(self, fence: Fence) -> _Code:
        info = _INFO.fullmatch(fence.info)
        if info is None or info["language"] not in _LANGUAGES:
            raise self._error(fence.start, f"a fence is one of {', '.join(_LANGUAGES)}.")
        pairs = [word.partition("=") for word in shlex.split(info["options"] or "")]
        options = {key: value for key, _, value in pairs}
        if other := set(options) - _LANGUAGES[info["language"]]:
            raise self._error(fence.start, f"a fence {info['language']} takes no {', '.join(sorted(other))}.")
        return _Code(info["language"], options, self.file.lines[fence.start + 1 : fence.end], fence.start)


def _questions_about_one_database() -> Iterator[str]:
    for kind in KINDS:
        yield from (name for name, question in kind.questions.items() if question.names_database)
