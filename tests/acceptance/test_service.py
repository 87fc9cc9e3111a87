"""tests/systemd with a systemd of the user's own, in the virtual machine that has a camera."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.test_v4l2 import ROOT, TOOL

pytestmark = [pytest.mark.acceptance, pytest.mark.vm, pytest.mark.timeout(1500)]

KEEPS_NOTHING = ["-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
"""The machine's user may not write into the checkout."""


def test_the_service():
    if not TOOL.is_file():
        pytest.skip(f"no virtual machine with a camera: {TOOL} is missing")
    tests = Path("tests/systemd")
    command = [TOOL, "--driver", "vivid", "--timeout", "1200", "--", tests / "session.sh"]
    done = subprocess.run(
        [*map(str, command), sys.executable, "-m", "pytest", *KEEPS_NOTHING, str(tests)],
        capture_output=True,
        text=True,
        check=False,
        timeout=1400,
        cwd=ROOT,
        env=os.environ | {"FACECTRL_TEST_SYSTEMD": "1"},
    )
    print(done.stdout)
    if done.returncode == 125:
        pytest.skip(f"the virtual machine cannot run here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
