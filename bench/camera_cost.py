"""What a frame costs through the native capture and through OpenCV, on one device, side by side.

    python bench/camera_cost.py /dev/video0 [SECONDS]

For each format that the camera has, at 640 x 480 and about 30 and 10 frames a second: user and
system CPU time and wake-ups (voluntary context switches) per captured frame, of the whole process.

- cv2: VideoCapture, grab and retrieve, as the program used it with --backend opencv
- captured: the native capture, frames lie ready, no reader asks
- handed over: the same, and a reader waits for each frame
"""

import sys
import time
from fractions import Fraction
from pathlib import Path

import cv2

from facectrl_fast._native import V4l2Capture
from facectrl_fast.capture.camera_mode import READABLE
from facectrl_fast.capture.video_node import describe

SIZE = (640, 480)
ROUNDS = 3


class Meter:
    """CPU seconds and wake-ups of this process since it was made."""

    def __init__(self):
        # To count wake-ups costs time itself: outside of what is timed.
        self._wakes = wake_ups()
        self._cpu = time.process_time()

    def per_frame(self, frames):
        cpu = time.process_time() - self._cpu
        return cpu / frames, (wake_ups() - self._wakes) / frames


def wake_ups():
    return sum(
        int(line.split()[1])
        for task in Path("/proc/self/task").iterdir()
        for line in (task / "status").read_text().splitlines()
        if line.startswith("voluntary_ctxt_switches")
    )


def with_cv2(device, pixel_format, interval, seconds):
    capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
    capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*pixel_format))
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, SIZE[0])
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, SIZE[1])
    capture.set(cv2.CAP_PROP_FPS, float(1 / interval))
    image = capture.read()[1]
    assert image is not None, f"OpenCV gets no {pixel_format}"
    assert image.shape[:2] == SIZE[::-1]
    meter, frames, end = Meter(), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        capture.grab()
        capture.retrieve(image)
        frames += 1
    result = *meter.per_frame(frames), frames / seconds
    capture.release()
    return result


def natively(device, pixel_format, interval, seconds, reads):
    ratio = (interval.numerator, interval.denominator)
    capture = V4l2Capture(device, pixel_format, *SIZE, ratio)
    ring = capture.ring
    frame = ring.wait_newer(0, 20.0)
    seq = first = frame.seq
    del frame
    meter, end = Meter(), time.monotonic() + seconds
    if reads:
        while time.monotonic() < end:
            seq = ring.wait_newer(seq, 5.0).seq
        frames = seq - first
    else:
        before = ring.published + capture.skipped
        time.sleep(seconds)
        frames = ring.published + capture.skipped - before
    result = *meter.per_frame(frames), frames / seconds
    capture.close()
    return result


def intervals_of(device, pixel_format):
    """The offered intervals nearest to 30 and 10 frames a second."""
    modes = [m for m in describe(device).modes if m.pixel_format == pixel_format]
    mode = next(m for m in modes if (m.width, m.height) == SIZE)
    offered = [interval.least for interval in mode.intervals]
    return [min(offered, key=lambda i: abs(1 / i - wanted)) for wanted in (30, 10)]


def best(results):
    """Of several rounds: others on the machine only ever add to the cost."""
    return min(results, key=lambda result: result[0])


def main(device, seconds=5.0):
    cv2.setNumThreads(1)
    formats = [name for name in READABLE if name in describe(device).formats]
    print(f"{'':<17}{'cv2':>20}{'captured':>28}{'handed over':>28}")
    print(f"{'':<17}" + f"{'us    wakes':>20}" + f"{'us    wakes   of cv2':>28}" * 2)
    for pixel_format in formats:
        for interval in intervals_of(device, pixel_format):
            rounds = [
                (
                    with_cv2(device, pixel_format, interval, seconds),
                    natively(device, pixel_format, interval, seconds, reads=False),
                    natively(device, pixel_format, interval, seconds, reads=True),
                )
                for _ in range(ROUNDS)
            ]
            other, *ours = (best(results) for results in zip(*rounds, strict=True))
            line = f"{pixel_format} at {float(Fraction(1) / interval):4.0f}/s  "
            line += f"{other[0] * 1e6:13.0f} {other[1]:8.2f}"
            for cpu, wakes, _ in ours:
                line += f"{cpu * 1e6:14.0f} {wakes:8.2f} {cpu / other[0]:6.3f}"
            print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(float, sys.argv[2:]))
