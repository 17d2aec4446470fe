"""The environment in which the kit works: nothing inherited leads to somebody's database, project or code.

Two questions, two functions. What must go from this process, before the first command? And what
does a program get that's started for the user, such as JupyterLab or a kernel?
"""

from __future__ import annotations

import os
import re
from pathlib import Path

#: Names a PostgreSQL server of the user's own, to be used instead of the embedded one.
OWN_SERVER_VARIABLE = "COOKBOOK_POSTGRES_URL"

#: The user's ways of saying where temporary files and caches go, how Python prints, or which programs are
#: found (TMPDIR, SQLITE_TMPDIR, PYTHONUTF8, PATH, ...) stay: they lead to no database and run no code.
_LEADS_ELSEWHERE = re.compile(
    # What libpq and the server's programs read: PGHOST, PGSERVICEFILE, PGDATA, and psql's start file.
    r"PG[A-Z]+|PG_[A-Z]+|PSQLRC"
    # Where projects look for their database: DATABASE_URL_2, SQLALCHEMY_DATABASE_URI, ...
    r"|(BOOKSHOP_)?DATABASE_URL\w*|SQLALCHEMY_\w+"
    # Another project: ALEMBIC_CONFIG.
    r"|ALEMBIC_\w+"
    # Each names code that Python runs or imports by itself. PYTHONINSPECT keeps a finished program waiting.
    r"|PYTHONSTARTUP|PYTHONINSPECT|PYTHONBREAKPOINT|PYTHONWARNINGS"
)
#: What a new program would read in addition. In this process they've already had their effect, and `verify`
#: hands PYTHONPATH on, because the modules of a page's own project may be found there.
_LEADS_PROGRAMS_ELSEWHERE = re.compile(
    # Configuration, kernels, extensions and start files of other Jupyters: JUPYTER_CONFIG_PATH, IPYTHONDIR, ...
    r"JUPYTER\w*|JPY_\w+|IPYTHON\w*"
    # Modules that come before the standard library's, or none beside the notebook.
    r"|PYTHONPATH|PYTHONSAFEPATH"
)


def clean_environment() -> list[str]:
    """Remove from this process what leads to somebody's database, project or code; return the names."""
    names = sorted(name for name in os.environ if _LEADS_ELSEWHERE.fullmatch(name))
    for name in names:
        del os.environ[name]
    return names


def known_environment(**given: str) -> dict[str, str]:
    """Return the environment for a program that's started for the user, with these variables set."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not _LEADS_ELSEWHERE.fullmatch(name) and not _LEADS_PROGRAMS_ELSEWHERE.fullmatch(name)
    }
    return kept | _path_to_the_kit() | given


def _path_to_the_kit() -> dict[str, str]:
    """Return PYTHONPATH, if the kit itself isn't installed and is found by it."""
    own = Path(__file__).resolve().parents[2]
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {"PYTHONPATH": str(own)} if any(each and Path(each).resolve() == own for each in inherited) else {}
