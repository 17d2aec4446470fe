"""Nothing of the user's own is followed, also in these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.environment import OWN_SERVER_VARIABLE, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def clean_session() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv(OWN_SERVER_VARIABLE, raising=False)
        clean_environment()
        yield
