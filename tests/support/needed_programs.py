"""Tests marked `needs(program)` are skipped, with the reason, where a program of the system is missing."""

import shutil

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        program = mark.args[0]
        if shutil.which(program) is None:
            pytest.skip(f"the program {program} is not installed; .ci/run names its package")
