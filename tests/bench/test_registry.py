"""Each benchmark is in the registry, and has its flag from there."""

from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from migration_cookbook import bench, cli
from migration_cookbook.bench import registry
from migration_cookbook.bench.registry import BENCHMARKS

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(bench.__file__).parent


def runnable() -> Iterator[str]:
    """The modules of the package that have a `run` without arguments, as a benchmark has."""
    for path in FOLDER.glob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == "run" and not node.args.args:
                yield path.stem


def test_each_benchmark_is_registered() -> None:
    assert sorted(runnable()) == sorted(BENCHMARKS)
    for name in BENCHMARKS:
        assert callable(registry.benchmark(name).run)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ((), ["waiting"]),
        *(((f"--{name}",), [name]) for name in BENCHMARKS),
        (("--all",), list(BENCHMARKS)),
    ],
)
def test_a_flag_runs_its_benchmark(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], names: list[str]
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(
        registry, "benchmark", lambda name: SimpleNamespace(run=lambda: ran.append(name) or len(name) % 2)
    )
    assert cli.main(["bench", *arguments]) == max(len(name) % 2 for name in names)
    assert ran == names


def test_two_benchmarks_are_all_or_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["bench", "--growth", "--verify"])
    assert "not allowed with" in capsys.readouterr().err


def test_the_help_says_what_each_measures(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["bench", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name, measured in BENCHMARKS.items():
        assert f"--{name} {measured}" in said
