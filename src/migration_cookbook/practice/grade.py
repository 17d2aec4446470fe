"""The grade of an answer."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Grade:
    """The result of a check."""

    passed: bool
    #: One sentence in the learner's terms; text in backticks is code.
    sentence: str
    #: The errors of the databases, shown below it.
    details: tuple[str, ...] = ()
    #: What couldn't be checked here, and what to do about it.
    notices: tuple[str, ...] = ()

    def with_notices(self, *notices: str) -> Grade:
        """Return the same grade with more notices."""
        return replace(self, notices=(*self.notices, *notices))


def correct() -> Grade:
    """Return the grade of a right answer."""
    return Grade(True, "That is right.")
