"""Texts are parsed in several threads at once, whatever else happens in them."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor

from migration_cookbook.verify.trial.script import parse


class Yielding:
    """Garbage that lets another thread go on while it is collected."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        time.sleep(0)


def parsed(texts: list[str]) -> int:
    lines = 0
    for text in texts:
        Yielding()
        lines += len(parse(text).body)
    return lines


def test_trees_grow_in_several_threads() -> None:
    texts = [
        [f"a = {'(' * 20}{thread * 1000 + n} + f(3, [4]){')' * 20}\n" * 5 for n in range(200)]
        for thread in range(8)
    ]
    usual = gc.get_threshold()
    gc.set_threshold(50)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(parsed, texts)) == [1000] * 8
    finally:
        gc.set_threshold(*usual)
