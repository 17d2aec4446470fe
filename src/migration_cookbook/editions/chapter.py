"""A chapter as frozen values, and its strict reader.

A chapter is MyST Markdown. It is read here line by line and strictly: a tool that
guesses loses a cell now and then without a word, and a lost cell never runs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from migration_cookbook.strict_markdown import Fence, MarkdownFile, read_markdown_file

if TYPE_CHECKING:
    from pathlib import Path

    from migration_cookbook.workspace import CookbookError

#: Front matter: each key must be there, and no other.
KEYS = ("title", "minutes", "outcomes", "before", "databases")
DATABASES = ("sqlite", "postgres")
OPTIONS = ("name", "shows", "tags")
#: `slide`: on the teacher's slides; `teacher`: left out of the learner's edition;
#: `table`: a computed table, which may show more than three facts.
TAGS = ("slide", "teacher", "table")
FACTS_PER_CELL = 3

_NAME = re.compile(r"[a-z][a-z0-9-]+")
_FACT = re.compile(r"[0-9A-Z][0-9A-Za-z-]*")
_BLOCK = re.compile(r"(?P<indent>[ \t]*):{3,}(?P<info>.*)")
#: Words in a comment by which a cell escapes nbval.
_MARKER = re.compile(r"\b(?:NBVAL|PYTEST_VALIDATE)_[A-Z_]+")
_OPTION = re.compile(r":(?P<key>[^:\s]+):(?P<value>.*)")


@dataclass(frozen=True)
class Minutes:
    """The minutes that a page takes: to teach, and for its exercises."""

    teach: int
    practice: int


@dataclass(frozen=True)
class Cell:
    """A cell, as the author wrote it."""

    kind: Literal["markdown", "code"]
    source: str
    name: str | None = None
    shows: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    #: Where it starts in the chapter's file.
    line: int = 1


@dataclass(frozen=True)
class TeacherNote:
    """Prose for the teacher."""

    text: str
    #: How many cells come before it.
    after: int
    line: int


@dataclass(frozen=True)
class Chapter:
    """One page of the book."""

    path: Path
    #: The path below `chapters/`, without the ending: `examples/07-add-a-column`.
    slug: str
    title: str
    minutes: Minutes
    outcomes: tuple[str, ...]
    #: Slugs of the pages to be read before this one.
    before: tuple[str, ...]
    databases: tuple[str, ...]
    cells: tuple[Cell, ...]
    teacher_notes: tuple[TeacherNote, ...]

    @property
    def place(self) -> str:
        """How messages name the file."""
        return f"chapters/{self.slug}.md"

    @property
    def learners_cells(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if "teacher" not in cell.tags)


def read_chapter(path: Path, root: Path) -> Chapter:
    """Read one chapter, or say in which line it goes wrong."""
    slug = path.relative_to(root).with_suffix("").as_posix()
    return _ChapterReader(path, slug, read_markdown_file(path, f"chapters/{slug}.md")).chapter()


class _ChapterReader:
    """Goes once through the lines of a chapter."""

    def __init__(self, path: Path, slug: str, file: MarkdownFile) -> None:
        self.path = path
        self.slug = slug
        self.file = file
        self.lines = file.lines
        self.cells: list[Cell] = []
        self.notes: list[TeacherNote] = []
        self.prose: list[tuple[int, str]] = []

    def chapter(self) -> Chapter:
        front, first = self._front_matter()
        self._body(first)
        self._check_whole()
        return Chapter(
            path=self.path,
            slug=self.slug,
            cells=tuple(self.cells),
            teacher_notes=tuple(self.notes),
            **front,
        )

    def _error(self, index: int, message: str) -> CookbookError:
        return self.file.error(index, message)

    # Front matter

    def _front_matter(self) -> tuple[dict[str, Any], int]:
        front = self.file.front_matter()
        lines = self._key_lines(front.end - 1)
        for key in KEYS:
            if key not in lines:
                raise self._error(0, f"the front matter lacks `{key}`.")
        return {key: self._value(key, front.values.get(key), lines[key]) for key in KEYS}, front.end

    def _key_lines(self, end: int) -> dict[str, int]:
        keys: dict[str, int] = {}
        for index in range(1, end):
            found = re.match(r"([^\s#:-][^:]*):", self.lines[index])
            if not found:
                continue
            key = found[1].strip()
            if key not in KEYS:
                raise self._error(index, f"unknown front-matter key `{key}`; known are {', '.join(KEYS)}.")
            if key in keys:
                raise self._error(index, f"the front-matter key `{key}` is given twice.")
            keys[key] = index
        return keys

    def _value(self, key: str, value: Any, index: int) -> Any:
        if key == "title":
            if not isinstance(value, str) or not value.strip():
                raise self._error(index, "`title` must be a text.")
            return value.strip()
        if key == "minutes":
            return self._minutes(value, index)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._error(index, f"`{key}` must be a list of texts.")
        if key == "outcomes" and not value:
            raise self._error(index, "`outcomes` is empty; say what the reader can do afterwards.")
        if key == "databases" and (not value or set(value) - set(DATABASES) or len(set(value)) != len(value)):
            raise self._error(index, f"`databases` must name one or both of {', '.join(DATABASES)}.")
        return tuple(value)

    def _minutes(self, value: Any, index: int) -> Minutes:
        if not isinstance(value, dict) or set(value) != {"teach", "practice"}:
            raise self._error(index, "`minutes` must be {teach: N, practice: N}.")
        if not all(type(minutes) is int and minutes >= 0 for minutes in value.values()):
            raise self._error(index, "`minutes` must be whole numbers.")
        return Minutes(value["teach"], value["practice"])

    # The page

    def _body(self, index: int) -> None:
        while index < len(self.lines):
            line = self.lines[index]
            if self.file.is_indented_fence(index):
                raise self._error(
                    index, "a fence must start at column 0, or its cell becomes text and never runs."
                )
            if fence := self.file.fence(index):
                index = self._fence(fence)
            elif block := _BLOCK.fullmatch(line):
                index = self._block(index, block)
            elif line.startswith("+++"):
                raise self._error(
                    index, "a line that starts with +++ can't be read back; take another separator."
                )
            else:
                self.prose.append((index, line))
                index += 1
        self._flush()

    def _fence(self, fence: Fence) -> int:
        """Read the fence as a cell or as prose; return the line after it."""
        if "{code-cell}" not in fence.info:
            self.prose.extend(enumerate(self.lines[fence.start : fence.end + 1], fence.start))
            return fence.end + 1
        if fence.info != "{code-cell}" or not fence.marks.startswith("`"):
            raise self._error(fence.start, "a cell opens with ```{code-cell} and nothing else in the line.")
        self._flush()
        self.cells.append(self._code_cell(fence.start, fence.end))
        return fence.end + 1

    def _code_cell(self, index: int, end: int) -> Cell:
        options: dict[str, str] = {}
        start = index + 1
        while start < end and (option := _OPTION.fullmatch(self.lines[start])):
            key = option["key"]
            if key not in OPTIONS:
                raise self._error(start, f"unknown option `:{key}:`; known are {', '.join(OPTIONS)}.")
            if key in options:
                raise self._error(start, f"the option `:{key}:` is given twice.")
            options[key] = self._option(key, option["value"].strip(), start)
            start += 1
        if start < end and self.lines[start].strip() == "---":
            raise self._error(start, "options are written as lines of `:name: value`.")
        source = "\n".join(self.lines[start:end]).strip("\n")
        if not source.strip():
            raise self._error(index, "this cell is empty.")
        if marker := _MARKER.search(source):
            raise self._error(index, f"{marker[0]} would keep this cell from being compared; take it out.")
        tags = tuple(_split(options.get("tags", "")))
        shows = tuple(_split(options.get("shows", "")))
        if len(shows) > FACTS_PER_CELL and "table" not in tags:
            raise self._error(
                index, f"a cell shows at most {FACTS_PER_CELL} facts, unless it is tagged `table`."
            )
        return Cell("code", source, options.get("name"), shows, tags, index + 1)

    def _option(self, key: str, value: str, index: int) -> str:
        if key == "name":
            if not _NAME.fullmatch(value) or len(value) > 64:
                raise self._error(index, f"bad name {value!r}; a name is like `not-null-refused`.")
            if any(cell.name == value for cell in self.cells):
                raise self._error(index, f"the name `{value}` is taken by an earlier cell.")
            return value
        if key == "tags":
            if not re.fullmatch(r"\[.+\]", value):
                raise self._error(index, "tags are written as a list: `:tags: [slide]`.")
            value = value[1:-1]
        items = _split(value)
        if not items or len(set(items)) != len(items) or not all(items):
            raise self._error(index, f"`:{key}:` is empty or says something twice.")
        for item in items:
            if key == "tags" and item not in TAGS:
                raise self._error(index, f"unknown tag `{item}`; known are {', '.join(TAGS)}.")
            if key == "shows" and not _FACT.fullmatch(item):
                raise self._error(index, f"{item!r} is no fact's id.")
        return value

    def _block(self, index: int, block: re.Match[str]) -> int:
        """Read the ::: block that opens at `index`; return the line after it."""
        if block["indent"]:
            raise self._error(index, "a ::: line must start at column 0.")
        info = block["info"].strip()
        if not info:
            raise self._error(index, "this ::: closes nothing.")
        if info != "{teacher}":
            raise self._error(index, f"unknown block {info}; the only one is :::{{teacher}}.")
        end = self._block_end(index)
        for inside in range(index + 1, end):
            if "{code-cell}" in self.lines[inside]:
                raise self._error(
                    inside, "a ::: block holds prose only; tag a cell for the teacher `teacher`."
                )
        self._note(index, end)
        return self._after_blank_lines(end + 1)

    def _block_end(self, index: int) -> int:
        for end in range(index + 1, len(self.lines)):
            if not (closing := _BLOCK.fullmatch(self.lines[end])):
                continue
            if closing["indent"]:
                raise self._error(end, "a ::: line must start at column 0.")
            if closing["info"].strip():
                raise self._error(end, f"this ::: block opens inside the one of line {index + 1}.")
            return end
        raise self._error(index, "this ::: block is never closed.")

    def _note(self, index: int, end: int) -> None:
        text = "\n".join(self.lines[index + 1 : end]).strip()
        has_prose = any(line.strip() for _, line in self.prose)
        self.notes.append(TeacherNote(text, len(self.cells) + has_prose, index + 1))
        while self.prose and not self.prose[-1][1].strip():
            self.prose.pop()
        if self.prose:
            self.prose.append((index, ""))

    def _after_blank_lines(self, index: int) -> int:
        while index < len(self.lines) and not self.lines[index].strip():
            index += 1
        return index

    def _flush(self) -> None:
        """End the Markdown cell that has been gathered."""
        prose, self.prose = self.prose, []
        while prose and not prose[0][1].strip():
            prose.pop(0)
        while prose and not prose[-1][1].strip():
            prose.pop()
        if prose:
            self.cells.append(Cell("markdown", "\n".join(line for _, line in prose), line=prose[0][0] + 1))

    def _check_whole(self) -> None:
        """Check that every cell was read, in case the rules above missed one."""
        written = [index for index, line in enumerate(self.lines) if "{code-cell}" in line]
        as_cells = {cell.line - 1 for cell in self.cells if cell.kind == "code"}
        for index in written:
            if index not in as_cells:
                raise self._error(index, "this {code-cell} is not read as a cell.")
        if not as_cells:
            raise self._error(0, "the chapter has no cell.")


def _split(value: str) -> list[str]:
    return [item.strip() for item in value.split(",")] if value.strip() else []
