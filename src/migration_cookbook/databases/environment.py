"""Which databases would an inherited environment lead to? After this, none."""

from __future__ import annotations

import os
import re

#: Names a PostgreSQL server of the user's own, to be used instead of the embedded one.
OWN_SERVER_VARIABLE = "COOKBOOK_POSTGRES_URL"

#: DATABASE_URL, and all that libpq and the server's programs read: PGHOST, PGSERVICE, PGDATA, …
_FOREIGN = re.compile(r"DATABASE_URL|PG[A-Z]+")


def clean_environment() -> list[str]:
    """Remove every variable that could lead to somebody's database; return their names."""
    names = sorted(name for name in os.environ if _FOREIGN.fullmatch(name))
    for name in names:
        del os.environ[name]
    return names
