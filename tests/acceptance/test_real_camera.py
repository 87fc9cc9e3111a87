"""A camera of the kernel's own driver, in a virtual machine: in use, pulled out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.acceptance

TOOL = Path(__file__).parents[3] / "shared" / "tools" / "v4l2-vm"
RUN = f"{sys.executable} -m facectrl_fast run --dry-run --source 0"
SCRIPT = f"""
touch first
{RUN} 2>first & first=$!
said() {{ grep -q -m1 "$1" <(tail -n +1 -f ---disable-inotify first); }}
said watching
echo '[second]'
{RUN} 2>&1; echo "status $?"
echo '[unplugged]'
camctl disconnect
said 'trying again'
kill -TERM $first; wait $first; echo "status $?"
cat first
"""


@pytest.mark.timeout(600)
def test_a_camera_in_use_is_told_and_a_lost_one_waited_for(tmp_path):
    if not TOOL.is_file():
        pytest.skip(f"no virtual machine with a camera: {TOOL} is missing")
    command = [TOOL, "--driver", "vivid", "--rw", tmp_path, "--timeout", "240", "--"]
    done = subprocess.run(
        [*map(str, command), "bash", "-c", f"cd {tmp_path}; {SCRIPT}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=560,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, second, unplugged = done.stdout.replace("[unplugged]", "[second]").split("[second]")
    assert "status 1" in second
    assert "gives no picture: another program uses it" in second
    assert "status 0" in unplugged
    assert unplugged.count("trying again until it is back") == 1
    assert "Traceback" not in done.stdout
