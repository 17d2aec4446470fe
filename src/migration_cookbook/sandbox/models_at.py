"""The bookshop's models at an earlier revision.

The newest models.py says itself which lines came when. `# since 0003` at the end of
a line marks that line; as a line of its own at column 0 it marks all that follows,
up to the next such line.
"""

from __future__ import annotations

import re

from migration_cookbook.workspace import CookbookError

_REVISION = re.compile(r"\d{4}|base")
_BLOCK_MARKER = re.compile(r"# since (\d{4})")
_LINE_MARKER = re.compile(r"\s*# since (\d{4})$")


def models_at(source: str, revision: str) -> str:
    """The models as they stood at `revision`, without any markers; at `base`, no tables at all."""
    if not _REVISION.fullmatch(revision):
        raise CookbookError(f"The bookshop has no models for {revision!r}. Name a revision such as 0003.")
    last = "0000" if revision == "base" else revision
    kept: list[str] = []
    in_later_block = dropped_before = False
    for line in source.splitlines():
        if block := _BLOCK_MARKER.fullmatch(line):
            in_later_block = block[1] > last
            continue
        mark = _LINE_MARKER.search(line)
        if in_later_block or (mark and mark[1] > last):
            dropped_before = True
            continue
        # What was dropped had blank lines above and below: one of the two gaps is enough.
        if dropped_before and not line and kept and not kept[-1]:
            continue
        dropped_before = False
        kept.append(_LINE_MARKER.sub("", line))
    return "\n".join(kept).strip("\n") + "\n"
