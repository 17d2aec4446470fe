"""A home folder that can't be written, and a clock that jumps."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from kernel_desk import open_kernel
from places import disposable, open_folder

from migration_cookbook.databases import server
from migration_cookbook.editions.book import this_book
from migration_cookbook.lab import jupyter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("worst-circumstances")]

NOTEBOOK = this_book().notebook("examples/07-add-a-column")
YEAR_S = 365 * 24 * 3600

#: Every program that loads this library has the clock of a file that we write.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *offset;

__attribute__((constructor)) static void open_offset(void) {
    int file = open(getenv("CLOCK_OFFSET_FILE"), O_RDONLY | O_CLOEXEC);
    void *seen = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
    if (seen != MAP_FAILED) offset = seen;
    close(file);
}

int clock_gettime(clockid_t id, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (offset && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += *offset;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *seconds) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (seconds) *seconds = precise.tv_sec;
    return precise.tv_sec;
}
"""


@contextlib.contextmanager
def read_only_folder() -> Iterator[Path]:
    with open_folder() as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "ro", "cookbook", folder], capture_output=True, text=True
        )
        if mounted.returncode != 0:
            pytest.skip(f"no read-only file system can be mounted here: {mounted.stderr.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_read_only_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with read_only_folder() as home, disposable(tmp_path / "workspace") as workspace:
        for name in ("IPYTHONDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", str(home))
        with open_kernel(workspace, **jupyter.environment(workspace)) as kernel:
            refused = kernel.attempt("from pathlib import Path\nPath.home().joinpath('proof').touch()")
            assert "Read-only file system" in str(refused.error)
            kernel.run_all(NOTEBOOK)


@pytest.fixture(scope="module")
def clock_library() -> Iterator[Path]:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler here to build a clock that can jump")
    with open_folder() as folder:
        (folder / "clock.c").write_text(CLOCK)
        command = [compiler, "-shared", "-fPIC", "-o", "clock.so", "clock.c", "-ldl"]
        subprocess.run(command, cwd=folder, check=True)
        yield folder / "clock.so"


def set_clock(file: Path, offset_s: int) -> None:
    with file.open("r+b") as opened:
        opened.write(struct.pack("q", offset_s))


def test_the_clock_jumps_under_kernel_and_server(clock_library: Path, tmp_path: Path) -> None:
    """By a year ahead and by two years back, between cells and within a run of all."""
    clock = clock_library.with_name("offset")
    clock.write_bytes(bytes(8))
    clock.chmod(0o644)
    variables = {"LD_PRELOAD": str(clock_library), "CLOCK_OFFSET_FILE": str(clock)}
    with disposable(tmp_path / "workspace") as workspace, open_kernel(workspace, **variables) as kernel:
        kernel.run("%load_ext migration_cookbook")
        kernel.run("%sandbox kept --at 0003")
        kernel.run("%%sql\nUPDATE books SET title = 'committed' WHERE id = 1")
        for offset_s in (YEAR_S, -YEAR_S, 0):
            set_clock(clock, offset_s)
            year = time.gmtime(time.time() + offset_s).tm_year
            assert str(year) in kernel.run("import time\nprint(time.gmtime().tm_year)")
            asked = "%%sql --on postgres\nSELECT extract(year FROM now())::int AS year"
            kernel.run("%sandbox kept --resume")
            assert str(year) in kernel.run(asked)
            assert kernel.run("%%sql\nSELECT title FROM books WHERE id = 1").count("committed") == 1
            kernel.run_all(NOTEBOOK)
            # Also what is started and made under this clock is used under the next.
            server.stop(workspace)


@pytest.mark.parametrize("offset_s", [20 * YEAR_S, -20 * YEAR_S])
def test_every_file_is_from_another_time(tmp_path: Path, offset_s: int) -> None:
    """As after a copy, or a battery that was empty: process ids, locks, templates, journals, notebooks."""
    with disposable(tmp_path / "workspace") as workspace, open_kernel(workspace) as kernel:
        kernel.run("%load_ext migration_cookbook")
        kernel.run("%sandbox kept --at 0003")
        kernel.run("%%sql\nUPDATE books SET title = 'committed' WHERE id = 1")
        then = time.time() + offset_s
        for path in (workspace.root, *workspace.root.rglob("*")):
            os.utime(path, (then, then), follow_symlinks=False)
        kernel.run("%sandbox kept --resume")
        assert kernel.run("%%sql\nSELECT title FROM books WHERE id = 1").count("committed") == 1
        kernel.run_all(NOTEBOOK)
        kernel.run("%sandbox kept --resume")
        assert kernel.run("%%sql\nSELECT title FROM books WHERE id = 1").count("committed") == 1
