"""Only where there is a systemd of the user's to be had: see session.sh."""

import os
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    if os.environ.get("FACECTRL_TEST_SYSTEMD"):
        return
    skip = pytest.mark.skip(reason="FACECTRL_TEST_SYSTEMD is not set: see tests/systemd/session.sh")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(skip)
