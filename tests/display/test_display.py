"""What a cell shows: the same in text and HTML, the answers of two databases as one, the picture of a history."""

from __future__ import annotations

import datetime as dt
import re
import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from migration_cookbook.databases.dialects import Dialect
from migration_cookbook.display.answers import Answer, combine
from migration_cookbook.display.graph import Graph, Node
from migration_cookbook.display.parts import (
    Code,
    Lines,
    MergedAnswer,
    Note,
    Part,
    ResultLine,
    ResultTable,
    SideBySide,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

HOSTILE = "<b>&amp; $x$ `tick` \"quoted\" 'and' </script>"


def plain(parts: Sequence[Part]) -> list[str]:
    return [line for part in parts for line in part.plain()]


def both(sqlite: Sequence[Part], postgres: Sequence[Part]) -> list[Part]:
    return combine([Answer(Dialect.SQLITE, tuple(sqlite)), Answer(Dialect.POSTGRES, tuple(postgres))])


@pytest.mark.parametrize(
    "part",
    [
        Lines((HOSTILE,)),
        Note(HOSTILE),
        ResultLine(HOSTILE, HOSTILE),
        ResultTable(HOSTILE, (HOSTILE,), ((HOSTILE,),), row_headers=True, footer=(HOSTILE,)),
        Code(HOSTILE, HOSTILE, "python"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_what_a_database_says_is_never_html(part: Part) -> None:
    assert not re.search(r"<b>&|<script|</script", part.html().replace("<b>&lt;", ""))
    assert "&lt;" in part.html()


def test_a_table_aligns_numbers_right_and_words_left() -> None:
    rows = ((1, "a", Decimal("9.50"), None), (22, "bb", Decimal("10.00"), None))
    table = ResultTable("", ("id", "name", "price", "note"), rows)
    assert table.plain() == [
        "id  name  price  note",
        "--  ----  -----  ----",
        " 1  a      9.50  NULL",
        "22  bb    10.00  NULL",
    ]
    assert table.html().count("text-align:right") == 6
    assert table.html().count("<i>NULL</i>") == 2


def test_a_table_has_a_caption_and_header_scopes() -> None:
    html = ResultTable("table `books`", ("column", "type"), (("id", "INTEGER"),), row_headers=True).html()
    assert re.search(r"<caption [^>]*>table <code>books</code></caption>", html)
    assert html.count('scope="col"') == 2
    assert html.count('scope="row"') == 1


def test_values_are_shown_as_words() -> None:
    values = (True, {"ä": 1}, memoryview(b"x"), dt.date(2026, 1, 5), "")
    table = ResultTable("", tuple("abcde"), (values,))
    assert table.plain()[-1].split("  ")[0] == "True"
    assert '{"ä": 1}' in table.plain()[-1]
    assert "2026-01-05" in table.plain()[-1]
    assert "memory at" not in table.plain()[-1]
    # A boolean is no number.
    assert "text-align:right" not in table.html()


def test_equal_answers_are_shown_once_under_both_names() -> None:
    shown = both([Lines(("a", "b"))], [Lines(("a", "b"))])
    assert plain(shown) == ["SQLite and PostgreSQL:", "    a", "    b"]
    assert [type(part) for part in shown] == [MergedAnswer]


def test_a_common_beginning_is_shown_once_and_the_rest_side_by_side() -> None:
    shown = both([Lines(("a", "b", "same"))], [Lines(("a", "c", "same"))])
    assert plain(shown) == [
        *("SQLite and PostgreSQL:", "    a"),
        *("SQLite:", "    b", "    same"),
        *("PostgreSQL:", "    c", "    same"),
    ]
    assert [type(part) for part in shown] == [MergedAnswer, SideBySide]


def test_different_answers_are_never_woven_together() -> None:
    shown = both([Lines(("a", "b"))], [Lines(("c", "b"))])
    assert plain(shown) == ["SQLite:", "    a", "    b", "PostgreSQL:", "    c", "    b"]


def test_where_one_answer_goes_on_the_other_says_that_there_is_no_more() -> None:
    shown = both([Lines(("a",))], [Lines(("a", "b"))])
    assert plain(shown)[2:] == ["SQLite:", "    (nothing more)", "PostgreSQL:", "    b"]


def test_one_database_alone_stands_under_its_name() -> None:
    shown = combine([Answer(Dialect.POSTGRES, (Lines(("a",)),))])
    assert plain(shown) == ["PostgreSQL:", "    a"]


def test_tables_are_compared_whole() -> None:
    one, other = (ResultTable("", ("id",), ((number,),)) for number in (1, 2))
    assert plain(both([one], [one]))[0] == "SQLite and PostgreSQL:"
    assert plain(both([one], [other]))[0] == "SQLite:"


def test_a_line_of_text_is_one_line_in_html_too() -> None:
    assert "a &lt;1&gt;\n  b" in Lines(("a <1>", "  b")).html()


def chain(length: int) -> tuple[Node, ...]:
    ids = [f"{number:04}" for number in range(1, length + 1)]
    return tuple(
        Node(name, f"step {name}", (ids[position - 1],) if position else ())
        for position, name in enumerate(ids)
    )


def graph(nodes: tuple[Node, ...], sqlite: str | None, postgres: str | None) -> Graph:
    places = {Dialect.SQLITE: sqlite, Dialect.POSTGRES: postgres}
    return Graph(nodes, {dialect: (place,) if place else () for dialect, place in places.items()})


@pytest.mark.parametrize(
    "drawn",
    [
        Graph((), {Dialect.SQLITE: (), Dialect.POSTGRES: ()}),
        graph(chain(1), None, None),
        graph(chain(3), "0001", "0003"),
        graph(chain(30), "0004", "0005"),
        graph(chain(30), "0001", "0030"),
        graph((Node("0001", "<&> \"quoted\" 'and' ", (), ("a&b",)),), "0001", "0001"),
    ],
)
def test_a_picture_is_well_formed_and_says_in_words_what_it_shows(drawn: Graph) -> None:
    root = ET.fromstring(drawn.svg())
    space = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{space}title") is not None
    described = root.find(f"{space}desc")
    assert described is not None
    assert described.text
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for box in root.iter(f"{space}rect"):
        assert float(box.get("x", 0)) + float(box.get("width", 0)) <= width
        assert float(box.get("y", 0)) + float(box.get("height", 0)) <= height
    # Text is dark on a light ground of its own, whatever the page's theme.
    assert {text.get("fill") for text in root.iter(f"{space}text")} <= {"#1A1A1A"}


def test_no_database_is_left_out() -> None:
    shown = "\n".join(graph(chain(30), "0004", "0005").plain())
    assert "<- SQLite" in shown
    assert "<- PostgreSQL" in shown
    assert "… 1 earlier" in shown
    apart = "\n".join(graph(chain(30), "0002", "0029").plain())
    assert "SQLite: at 0002, not drawn here" in apart
    assert "<- PostgreSQL" in apart


def test_branches_stand_in_rows_of_their_own() -> None:
    nodes = (
        Node("a", "", ()),
        Node("b", "", ("a",)),
        Node("c", "", ("a",)),
        Node("d", "", ("b", "c")),
    )
    drawn = Graph(nodes, {Dialect.SQLITE: ("b", "c"), Dialect.POSTGRES: ("d",)})
    root = ET.fromstring(drawn.svg())
    boxes = [
        (box.get("x"), box.get("y"))
        for box in root.iter("{http://www.w3.org/2000/svg}rect")
        if box.get("stroke") == "#7A7A7A"
    ]
    assert len(set(boxes)) == 4
    assert drawn.heads() == {"d"}
    assert any(
        line.split() == ["b", "+", "c", "->", "d", "(head)", "<-", "PostgreSQL"] for line in drawn.plain()
    )
