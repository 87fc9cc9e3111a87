"""tests/camera on the kernel's own camera drivers, in a small virtual machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.acceptance, pytest.mark.vm, pytest.mark.timeout(1500)]

ROOT = Path(__file__).parents[2]
TOOL = Path(os.environ.get("V4L2_VM", ROOT.parent / "shared" / "tools" / "v4l2-vm"))


@pytest.fixture
def run_on_camera():
    """Runs tests of tests/camera where there is such a camera."""
    if not TOOL.is_file():
        pytest.skip(f"no virtual machine with a camera: {TOOL} is missing")

    def run(options, tests, **environment):
        command = [TOOL, *options, "--timeout", "1200", "--"]
        pytest_command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", *tests]
        done = subprocess.run(
            [*map(str, command), *pytest_command],
            capture_output=True,
            text=True,
            check=False,
            timeout=1400,
            cwd=ROOT,
            env=os.environ | {"FACECTRL_TEST_CAMERA": "/dev/video0"} | environment,
        )
        print(done.stdout)
        if done.returncode == 125:
            pytest.skip(f"the virtual machine cannot run here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert " passed" in done.stdout

    return run


CAPTURE = ["tests/camera/test_frames.py", "tests/camera/test_troubles.py"]


def test_the_test_pattern_camera(run_on_camera):
    run_on_camera(["--driver", "vivid"], CAPTURE)


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "clip.avi"
    source = ["-f", "lavfi", "-i", "testsrc2=s=640x480:r=30:d=4"]
    subprocess.run(
        ["ffmpeg", "-v", "error", *source, "-c:v", "mjpeg", "-q:v", "3", str(path)], check=True
    )
    return path


def test_the_usb_webcam(run_on_camera, clip):
    run_on_camera(["--driver", "uvc", "--feed", clip], CAPTURE, FACECTRL_TEST_CLIP=str(clip))


def test_the_program_on_a_usb_webcam(run_on_camera, clip):
    run_on_camera(["--driver", "uvc", "--feed", clip], ["tests/camera/test_program.py"])


def test_the_loopback_camera(run_on_camera, clip):
    """Other programs play it: OBS, phones, libcamera's relay."""
    run_on_camera(
        ["--driver", "v4l2loopback", "--feed", clip],
        ["tests/camera/test_frames.py"],
        FACECTRL_TEST_CLIP=str(clip),
    )


def test_the_main_job_on_a_usb_webcam(run_on_camera, data):
    feed = ["--feed", data / "video/franck.mp4", "--feed-seconds", "120"]
    run_on_camera(
        # At the recording's own pace: a camera of 10 pictures a second, for 10 analyses.
        ["--driver", "uvc", *feed, "--fps", "10", "--format", "MJPG"],
        ["tests/camera/test_program.py", "-k", "follows"],
        FACECTRL_TEST_TRUTH=str(data / "video/franck.json"),
        FACECTRL_TEST_YUNET=str(data / "models/face_detection_yunet_2023mar.onnx"),
    )
