"""How a cell's code comes into the file that Alembic made."""

from __future__ import annotations

import ast

from migration_cookbook.sandbox.revision_file import with_code, with_message

GENERATED = '''\
"""add isbn

Revision ID: 0004
"""

from typing import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"


def upgrade() -> None:
    """Upgrade schema."""
    pass


def downgrade() -> None:
    """Downgrade schema."""
    pass
'''


def test_the_functions_are_replaced_and_the_head_is_kept() -> None:
    text = with_code(GENERATED, "def upgrade():\n    op.drop_table('a')\n\n\ndef downgrade():\n    pass\n")
    assert text.startswith(GENERATED[: GENERATED.index("def upgrade")])
    assert text.count("def upgrade") == text.count("def downgrade") == 1
    assert "Upgrade schema" not in text


def test_imports_go_to_the_imports_once() -> None:
    text = with_code(GENERATED, "import sqlalchemy as sa\nimport json\n\n\ndef upgrade():\n    pass\n")
    assert text.count("import sqlalchemy as sa") == 1
    assert text.index("import json") < text.index("revision: str")
    assert [type(node).__name__ for node in ast.parse(text).body].count("Import") == 2


def test_a_future_import_stays_the_first_statement() -> None:
    text = with_code(GENERATED, "from __future__ import annotations\n\n\ndef upgrade():\n    pass\n")
    compile(text, "0004.py", "exec")


def test_decorators_comments_and_constants_stay_with_the_code() -> None:
    code = "# why\nSIZE = 13\n\n\n@staticmethod\ndef helper():\n    pass\n\n\ndef upgrade():\n    pass\n"
    assert with_code(GENERATED, code).endswith(code)


def test_the_message_is_the_first_line() -> None:
    assert with_message(GENERATED, r"C:\new \1").startswith('"""C:\\new \\1\n\nRevision ID')


def test_a_message_with_quotation_marks_leaves_a_file_that_python_reads() -> None:
    for message in ('say "hello"', 'ends with "'):
        ast.parse(with_message(GENERATED, message))
