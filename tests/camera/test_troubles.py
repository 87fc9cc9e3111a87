"""What happens to cameras, and that closing never hangs."""

import errno
import gc
import grp
import json
import os
import select
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from facectrl_fast._native import FormatRefusedError, V4l2Capture
from facectrl_fast.capture.cameras import CameraDirectory
from facectrl_fast.capture.v4l2_source import V4l2Source
from facectrl_fast.capture.video_node import NodeKind, describe
from facectrl_fast.errors import CameraBusyError, UserError
from tests.camera.conftest import frames

SIZE = (640, 480)
CLOSE = 0.1
"""Seconds that close may take, from any state."""
CYCLES_EACH = int(os.environ.get("FACECTRL_TEST_CYCLES", "200")) // 10
"""Times that a camera is opened and closed in each of the leak test's ten stretches."""
SLACK = 0.15
"""Seconds that an emulated processor may need on top, to run two threads."""
HOLD = """
import sys
from facectrl_fast._native import V4l2Capture
capture = V4l2Capture(sys.argv[1], sys.argv[2], 640, 480)
print("open", flush=True)
sys.stdin.read()
"""


def start(device, **options):
    return V4l2Capture(device, describe(device).modes[0].pixel_format, *SIZE, **options)


def wait_for_end(ring, seconds=30):
    seq = 0
    deadline = time.monotonic() + seconds
    while not ring.closed:
        assert time.monotonic() < deadline, "the stream goes on"
        frame = ring.wait_newer(seq, timeout=1.0)
        seq = frame.seq if frame else seq


def close_in_time(thing, lets_go=True):
    """``lets_go``: the driver does, within that time."""
    begin = time.monotonic()
    closed = thing.close()
    assert time.monotonic() - begin < CLOSE + SLACK
    assert closed or not lets_go


def test_a_camera_in_use_is_told_with_who_uses_it(device):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, device, describe(device).modes[0].pixel_format],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "open\n"
        source = V4l2Source(device)
        with pytest.raises(CameraBusyError, match=rf"is used by .* \(process {holder.pid}\)"):
            source.open()
    finally:
        holder.communicate("")
    stream = source.open()  # free again
    assert next(frames(stream.ring, 1))
    stream.close()


def test_a_second_opener_leaves_the_first_alone(device, opened):
    first = opened(device)
    seq = next(frames(first.ring, 1)).seq
    with pytest.raises(CameraBusyError):
        V4l2Source(device).open()
    assert first.ring.wait_newer(seq, timeout=20) is not None


class TestClosing:
    """From every state within a tenth of a second."""

    def test_right_after_opening(self, device):
        close_in_time(start(device))

    def test_while_frames_come(self, device):
        capture = start(device)
        list(frames(capture.ring, 3))
        close_in_time(capture)
        assert (capture.end, capture.ring.closed) == ("closed", True)

    def test_twice(self, device):
        capture = start(device)
        assert capture.close(5.0)
        close_in_time(capture)

    def test_with_every_buffer_held(self, device):
        capture = start(device)
        held = list(frames(capture.ring, capture.ring.slots))
        close_in_time(capture)
        assert held[0].array.shape

    def test_without_being_told(self, device):
        capture = start(device)
        list(frames(capture.ring, 1))
        del capture
        gc.collect()
        assert "camera" not in thread_names()

    @pytest.mark.driver("uvc", "v4l2loopback")
    def test_while_it_is_stalled(self, device, camctl):
        capture = start(device)
        list(frames(capture.ring, 1))
        camctl("stall")
        close_in_time(capture, lets_go=False)

    @pytest.mark.driver("uvc")
    def test_while_it_is_being_restarted(self, device, camctl):
        capture = start(device, stall=0.3)
        list(frames(capture.ring, 1))
        camctl("stall")
        deadline = time.monotonic() + 20
        while capture.restarts == 0:
            assert time.monotonic() < deadline
            capture.ring.wait_newer(10**6, timeout=0.01)
        close_in_time(capture, lets_go=False)

    @pytest.mark.driver("uvc")
    def test_after_it_was_unplugged(self, device, camctl):
        capture = start(device)
        list(frames(capture.ring, 1))
        camctl("unplug")
        close_in_time(capture)


@pytest.mark.driver("uvc")
def test_unplugged_and_plugged_in_again_under_another_number(device, opened, camctl):
    """The old descriptor is still open when it comes back: the kernel gives it a new number."""
    source = V4l2Source(device)
    stream = opened(source)
    old = next(frames(stream.ring, 1))
    arrivals = source.arrivals()
    camctl("unplug")
    wait_for_end(stream.ring)
    assert "was unplugged" in str(stream.error)
    stream.close()
    with pytest.raises(UserError, match="was unplugged"):
        source.open()
    arrivals.arrived()
    camctl("plug")
    stream = reopen(source, arrivals)
    assert f"({device})" not in source.name
    assert next(frames(stream.ring, 1))
    assert old.array.mean() > 0  # still readable
    arrivals.close()
    stream.close()


def reopen(source, arrivals):
    """As the program does: a try each time that something arrives."""
    while select.select([arrivals.fileno()], [], [], 20)[0]:
        if arrivals.arrived():
            try:
                return source.open()
            except UserError:
                continue
    raise AssertionError("nothing told of the camera")


@pytest.mark.driver("uvc")
def test_a_stall_is_told_after_one_restart(device, camctl):
    capture = start(device, stall=0.5)
    list(frames(capture.ring, 2))
    camctl("stall")
    wait_for_end(capture.ring)
    assert (capture.end, capture.restarts) == ("stalled", 1)
    capture.close(5.0)
    camctl("resume")
    again = start(device)
    assert next(frames(again.ring, 1))
    again.close()


@pytest.mark.driver("uvc")
def test_a_short_stall_is_ridden_out(device, camctl):
    capture = start(device, stall=5.0)
    seq = list(frames(capture.ring, 2))[-1].seq
    camctl("stall")
    camctl("resume")
    assert capture.ring.wait_newer(seq + 2, timeout=30) is not None
    assert not capture.ring.closed
    capture.close()


@pytest.mark.driver("uvc")
@pytest.mark.parametrize(
    ("pixel_format", "ends"),
    # What is too short for a picture may be held back by the driver already.
    [("YUYV", ("broken", "stalled")), ("MJPG", ("broken",))],
)
def test_broken_frames_are_dropped_and_in_the_end_told(device, camctl, pixel_format, ends):
    capture = V4l2Capture(device, pixel_format, *SIZE, (1, 30), stall=1.0)
    whole = [frame.array.copy() for frame in frames(capture.ring, 3)]
    camctl("corrupt")
    ring = capture.ring
    seen = []
    seq = ring.published
    while (frame := ring.wait_newer(seq, timeout=20)) is not None:
        seq = frame.seq
        seen.append(frame.array.copy())
    assert capture.end in ends
    assert capture.end == "stalled" or capture.broken > 5
    # Whatever got through is a picture as whole as before.
    for picture in seen:
        assert abs(picture.mean() - whole[0].mean()) < 40
    capture.close(5.0)


@pytest.mark.driver("vivid")
def test_a_disconnected_device_ends_the_stream(device, opened, camctl):
    stream = opened(device)
    list(frames(stream.ring, 2))
    camctl("disconnect")
    wait_for_end(stream.ring)
    assert "was unplugged" in str(stream.error)
    close_in_time(stream)


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become somebody else")
@pytest.mark.driver("uvc", "vivid")
def test_without_permission_the_group_is_named(device):
    os.chown(device, 0, grp.getgrnam("video").gr_gid)
    Path(device).chmod(0o660)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            V4l2Source(device).check()
        except UserError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        assert "add yourself to its group (usermod -aG video $USER)" in told.read()


def test_a_format_that_the_driver_does_not_give_is_refused(device):
    missing = {"NV12", "MJPG"} - set(describe(device).formats)
    with pytest.raises((FormatRefusedError, OSError)) as refused:
        V4l2Capture(device, missing.pop(), *SIZE)
    assert refused.type is FormatRefusedError or refused.value.errno == errno.EINVAL
    capture = start(device)  # nothing is left behind
    assert next(frames(capture.ring, 1))
    capture.close()


@pytest.mark.driver("uvc")
def test_the_metadata_node_is_no_camera(device):
    nodes = CameraDirectory().nodes()
    assert [node.kind for node in nodes] == [NodeKind.CAMERA, NodeKind.METADATA]
    with pytest.raises(UserError, match="metadata, no pictures: there is V4L2 test webcam"):
        V4l2Source(str(nodes[1].path)).check()


@pytest.mark.driver("uvc")
@pytest.mark.parametrize("name", ["auto", "number", "path", "part of the card's name"])
def test_one_camera_has_many_names(name, device, opened):
    texts = {"auto": "auto", "number": device.removeprefix("/dev/video"), "path": device}
    assert next(frames(opened(texts.get(name, "Test WebCam")).ring, 1))


def thread_names():
    return [(p / "comm").read_text().strip() for p in Path("/proc/self/task").iterdir()]


CYCLES = """
import gc, json, re, sys
from pathlib import Path
from facectrl_fast.capture.v4l2_source import V4l2Source

source = V4l2Source(sys.argv[1], rate=30)

def cycles(count):
    for _ in range(count):
        stream = source.open()
        assert stream.ring.wait_newer(0, 20.0) is not None
        stream.close()
    gc.collect()
    status = Path("/proc/self/status").read_text()
    own = {key: int(re.search(key + r":\\s+(\\d+)", status)[1]) for key in ("RssAnon", "Threads")}
    print(json.dumps({**own, "files": len(list(Path("/proc/self/fd").iterdir()))}), flush=True)

for _ in range(10):
    cycles(int(sys.argv[2]))
"""


@pytest.mark.timeout(900)
def test_hundreds_of_cycles_leak_nothing(device):
    """Opened, a frame read, closed, in a process that does nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", CYCLES, device, str(CYCLES_EACH)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=800,
    )
    print(done.stdout)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(told) == 10
    assert len({(each["files"], each["Threads"]) for each in told}) == 1
    # A table of Python's that grows once is a step in one stretch; a leak grows in all.
    kib = [each["RssAnon"] for each in told]
    growth = [after - before for before, after in pairwise(kib)]
    assert median(growth) <= 8, kib
    assert kib[-1] - kib[0] < 2048, kib
