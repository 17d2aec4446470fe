"""The book starts elsewhere too: what Binder, a dev container and GitHub's workflow are told is right."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from migration_cookbook import cli

ROOT = Path(__file__).parents[1]
DEV_CONTAINER = ROOT / ".devcontainer" / "devcontainer.json"
WORKFLOW = ROOT / ".github" / "workflows" / "test.yml"

#: What containers.dev allows for the keys in use: https://containers.dev/implementors/json_reference/
ALLOWED = {
    "name": str,
    "image": str,
    "postCreateCommand": (str, list, dict),
    "postAttachCommand": (str, list, dict),
    "forwardPorts": list,
    "portsAttributes": dict,
}
ON_FORWARD = {"notify", "openBrowser", "openBrowserOnce", "openPreview", "silent", "ignore"}


def supported() -> SpecifierSet:
    return SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])


def dev_container() -> dict:
    return json.loads(DEV_CONTAINER.read_text())


def jobs() -> dict:
    return yaml.safe_load(WORKFLOW.read_text())["jobs"]


def commands() -> list[str]:
    """Every command line that one of the files would run."""
    found = [step["run"] for job in jobs().values() for step in job["steps"] if "run" in step]
    return found + [value for key, value in dev_container().items() if key.endswith("Command")]


def test_a_dev_container_has_only_what_is_allowed() -> None:
    for key, value in dev_container().items():
        assert isinstance(value, ALLOWED[key]), key
    for port, attributes in dev_container()["portsAttributes"].items():
        assert int(port) in dev_container()["forwardPorts"]
        assert set(attributes) <= {"label", "onAutoForward", "protocol", "requireLocalPort"}
        assert attributes["onAutoForward"] in ON_FORWARD


def test_each_place_has_a_python_that_the_book_supports() -> None:
    pythons = [dev_container()["image"].rpartition(":")[2]]
    pythons.append((ROOT / "binder" / "runtime.txt").read_text().strip().removeprefix("python-"))
    pythons += [each["python"] for each in jobs()["test"]["strategy"]["matrix"]["include"]]
    for python in pythons:
        assert isinstance(python, str), "YAML reads an unquoted 3.10 as 3.1"
        assert supported().contains(python), python


def test_binder_runs_its_last_step_with_the_locked_packages() -> None:
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!")
    assert "--require-hashes -r requirements.lock" in script.read_text()


def test_the_workflow_has_jobs_of_steps() -> None:
    content = yaml.safe_load(WORKFLOW.read_text())
    # YAML 1.1 reads `on` as true.
    assert set(content[True]) == {"push", "pull_request", "schedule"}
    for name, job in jobs().items():
        assert job["runs-on"], name
        assert job["timeout-minutes"], name
        assert all(("uses" in step) != ("run" in step) for step in job["steps"]), name


@pytest.mark.parametrize("command", commands())
def test_each_command_exists(command: str) -> None:
    program, argument = command.split()
    if program == "make":
        assert re.search(rf"^{argument}:", (ROOT / "Makefile").read_text(), re.M)
    else:
        assert program == "cookbook"
        cli._parser().parse_args([argument])
