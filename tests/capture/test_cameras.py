"""Telling video devices apart, and finding the one that a user means."""

import errno
import os

import pytest

from facectrl_fast.camera_list import list_cameras
from facectrl_fast.capture.camera_mode import CameraMode
from facectrl_fast.capture.cameras import CameraDirectory
from facectrl_fast.capture.v4l2_source import V4l2Source
from facectrl_fast.capture.video_node import Description, NodeKind, _modes, kind_of
from facectrl_fast.errors import CameraAwayError, CameraBusyError, UserError

CAPTURE, OUTPUT, MEMORY_TO_MEMORY = 0x1, 0x2, 0x8000
METADATA, STREAMING, MEDIA_CONTROLLER = 0x00800000, 0x04000000, 0x20000000


def told(
    card="Webcam",
    formats=("YUYV", "MJPG"),
    capabilities=CAPTURE | STREAMING,
    driver="uvc",
    bus="usb-1",
):
    """What a device says of itself."""
    modes = tuple(CameraMode(f, 640, 480) for f in formats if f in ("YUYV", "MJPG", "GREY"))
    return Description(driver, card, bus, capabilities, tuple(formats), modes)


WEBCAM = told("Integrated Camera: Integrated C")
INFRARED = told("Integrated Camera: Integrated I", ("GREY", "Y8I "))
METADATA_NODE = told("Integrated Camera: Integrated C", (), METADATA | STREAMING)
OUTPUT_NODE = told("Dummy output", (), OUTPUT | STREAMING)
SENSOR = told(
    "Intel IPU6 ISYS Capture 0",
    ("BA10", "pgAA"),
    CAPTURE | METADATA | STREAMING | MEDIA_CONTROLLER,
)
LOOPBACK = told("OBS Virtual Camera", ("YUYV",), driver="v4l2 loopback")
OTHER_WEBCAM = told("HD Pro Webcam C920")


@pytest.fixture
def computer(tmp_path):
    """Makes a directory of devices; an OSError stands for one that cannot be opened."""
    dev, sysfs = tmp_path / "dev", tmp_path / "sys"
    sysfs.mkdir()
    (dev / "v4l" / "by-id").mkdir(parents=True)
    there = {}

    def describe(path):
        if path not in there:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if isinstance(there[path], OSError):
            raise there[path]
        return there[path]

    def make(nodes):
        there.clear()
        for path in dev.glob("video*"):
            path.unlink()
        for number, description in nodes.items():
            path = dev / f"video{number}"
            if not path.exists():
                os.mkfifo(path)  # a device node takes root to make
            there[path] = description
        return CameraDirectory(dev, sysfs, describe)

    make.dev, make.sysfs = dev, sysfs
    return make


@pytest.mark.parametrize(
    ("description", "kind"),
    [
        (WEBCAM, NodeKind.CAMERA),
        (LOOPBACK, NodeKind.CAMERA),
        (INFRARED, NodeKind.INFRARED),
        (told("Integrated IR Camera"), NodeKind.INFRARED),
        (told("Integrated_IR_Webcam"), NodeKind.INFRARED),
        (told("Mirage camera"), NodeKind.CAMERA),
        (told("USB RGB-IR Camera"), NodeKind.CAMERA),
        (
            told("old v4l2loopback", ("YUYV",), 0x05208003, "v4l2 loopback"),
            NodeKind.CAMERA,
        ),
        (METADATA_NODE, NodeKind.METADATA),
        (OUTPUT_NODE, NodeKind.OUTPUT),
        (SENSOR, NodeKind.RAW),
        (told("sensor", ("RG10",)), NodeKind.RAW),
        (told("grabber", ("RGB3",)), NodeKind.OTHER),
        (told("old", capabilities=CAPTURE), NodeKind.OTHER),
        (
            told("codec", capabilities=CAPTURE | OUTPUT | MEMORY_TO_MEMORY | STREAMING),
            NodeKind.OUTPUT,
        ),
        (told("tuner", capabilities=0x10000), NodeKind.OTHER),
    ],
)
def test_what_a_device_is(description, kind):
    assert kind_of(description) is kind


@pytest.mark.parametrize(
    ("nodes", "chosen"),
    [
        ({0: WEBCAM, 1: METADATA_NODE, 2: INFRARED}, "video0"),
        ({0: INFRARED, 1: METADATA_NODE, 2: OUTPUT_NODE, 3: SENSOR, 4: WEBCAM}, "video4"),
        ({0: LOOPBACK, 2: WEBCAM}, "video2"),
        ({0: LOOPBACK}, "video0"),
        ({10: OTHER_WEBCAM, 9: WEBCAM}, "video9"),
        ({0: PermissionError(errno.EACCES, "Permission denied"), 1: WEBCAM}, "video1"),
    ],
)
def test_the_first_real_camera_is_chosen_by_itself(computer, nodes, chosen):
    assert computer(nodes).find("auto").path.name == chosen


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ({}, "no camera is connected"),
        ({0: METADATA_NODE, 1: OUTPUT_NODE}, "no camera is connected"),
        ({0: INFRARED}, "only infrared cameras are connected .*Integrated I .*name one"),
        ({0: SENSOR}, "needs libcamera"),
        ({0: PermissionError(errno.EACCES, "Permission denied")}, "add yourself to its group"),
    ],
)
def test_without_a_usable_camera_the_reason_is_told(computer, nodes, words):
    with pytest.raises(UserError, match=words) as caught:
        computer(nodes).find("auto")
    assert "\n" not in str(caught.value)


def test_a_camera_has_many_names(computer):
    cameras = computer({0: WEBCAM, 1: METADATA_NODE, 2: OTHER_WEBCAM})
    by_id = computer.dev / "v4l" / "by-id" / "usb-046d_HD_Pro_Webcam_C920-video-index0"
    by_id.symlink_to("../../video2")
    for text in ("C920", "hd pro webcam", "usb-046d_HD_Pro_Webcam_C920-video-index0", "046d"):
        assert cameras.find(text).path.name == "video2", text
    assert cameras.find("0").card == WEBCAM.card
    assert cameras.find("integrated").path.name == "video0"


def test_an_infrared_camera_is_used_where_it_is_named(computer):
    cameras = computer({0: WEBCAM, 2: INFRARED})
    assert cameras.find("integrated").path.name == "video0"
    assert cameras.find("Integrated I").path.name == "video2"
    assert cameras.find("2").kind is NodeKind.INFRARED


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("7", r"no camera at .*video7: there is Integrated Camera: Integrated C .*check --source"),
        ("1", r"is a camera's metadata, no pictures: there is Integrated"),
        ("2", r"is output, no camera"),
        ("3", r"needs libcamera"),
        ("4", r"no permission to open .*usermod -aG"),
        ("5", r"grabber .* gives none of the formats read natively \(RGB3\); try --backend opencv"),
        ("6", r"is not a camera; check --source"),
        ("Frobnicator", r"no camera is called 'Frobnicator' and no file either \(there is Integr"),
    ],
)
def test_what_is_no_camera_is_told_with_what_there_is(computer, text, words):
    cameras = computer(
        {
            0: WEBCAM,
            1: METADATA_NODE,
            2: OUTPUT_NODE,
            3: SENSOR,
            4: PermissionError(errno.EACCES, "Permission denied"),
            5: told("grabber", ("RGB3",)),
            6: OSError(errno.ENOTTY, "Inappropriate ioctl for device"),
        }
    )
    with pytest.raises(UserError, match=words) as caught:
        cameras.find(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["/dev/shm", "/dev/null"])
def test_other_things_under_dev_are_no_cameras(what):
    with pytest.raises(UserError, match=f"{what} is not a camera; check --source"):
        CameraDirectory().find(what)


def on_usb(computer, number, interface="1-1:1.0", serial="0001", index=0):
    """What sysfs tells of a USB camera."""
    device = computer.sysfs / "devices" / interface.split(":")[0]
    (device / interface).mkdir(parents=True, exist_ok=True)
    for name, value in (("idVendor", "1d6b"), ("idProduct", "0102"), ("serial", serial)):
        (device / name).write_text(f"{value}\n")
    (device / interface / "bInterfaceNumber").write_text("00\n")
    node = computer.sysfs / f"video{number}"
    node.mkdir()
    (node / "index").write_text(f"{index}\n")
    (node / "device").symlink_to(device / interface)


def test_a_camera_is_found_again_under_another_number_and_on_another_port(computer):
    cameras = computer({0: WEBCAM})
    on_usb(computer, 0)
    on_usb(computer, 1, index=1)
    on_usb(computer, 3, interface="2-4:1.0")
    known = cameras.find("0")
    computer({1: METADATA_NODE, 2: OTHER_WEBCAM, 3: WEBCAM})
    again = cameras.find_again(known)
    assert again is not None
    assert again.path.name == "video3"


def test_another_camera_under_the_old_number_is_not_taken_for_it(computer):
    cameras = computer({0: WEBCAM})
    known = cameras.find("0")
    computer({0: OTHER_WEBCAM})
    assert cameras.find_again(known) is None


def test_a_twin_is_not_taken_for_it(computer):
    """Two of a kind, with one serial number: only where they are plugged in tells them apart."""
    there, other = told(bus="usb-1"), told(bus="usb-2")
    cameras = computer({0: there, 2: other})
    on_usb(computer, 0)
    on_usb(computer, 2, interface="2-1:1.0")
    source = V4l2Source("0", directory=cameras)
    source.check()
    computer({2: other})
    with pytest.raises(CameraAwayError, match="was unplugged"):
        source.open()


def test_a_known_camera_that_may_not_be_opened_yet_is_waited_for(computer):
    """udev sets the permissions of a device a moment after it appears."""
    cameras = computer({0: WEBCAM})
    source = V4l2Source("0", directory=cameras)
    source.check()
    computer({0: PermissionError(errno.EACCES, "Permission denied")})
    with pytest.raises(CameraAwayError, match="no permission"):
        source.open()


def test_a_camera_whose_driver_is_busy_is_waited_for(computer):
    cameras = computer({0: OSError(errno.EBUSY, "Device or resource busy")})
    with pytest.raises(CameraBusyError, match="is used by another program"):
        cameras.find("0")


def test_a_virtual_camera_that_nobody_plays_is_told(computer):
    cameras = computer({0: LOOPBACK})
    source = V4l2Source("0", directory=cameras)
    source.check()
    computer({0: told("OBS Virtual Camera", (), OUTPUT | STREAMING, "v4l2 loopback")})
    with pytest.raises(CameraAwayError, match="is output, no camera"):
        source.open()


def test_automatically_another_camera_takes_over(computer):
    cameras = computer({0: WEBCAM, 2: OTHER_WEBCAM})
    source = V4l2Source("auto", directory=cameras)
    source.check()
    computer({2: OTHER_WEBCAM})
    assert source._find().card == OTHER_WEBCAM.card


def test_opencv_may_read_what_is_not_read_natively(computer):
    cameras = computer({0: told("grabber", ("RGB3",)), 1: SENSOR, 2: METADATA_NODE})
    assert cameras.find("grabber", any_format=True).path.name == "video0"
    assert cameras.find("1", any_format=True).path.name == "video1"
    with pytest.raises(UserError, match="metadata"):
        cameras.find("2", any_format=True)


class RangeDevice:
    """A device that offers a range of sizes."""

    def __init__(self, across, down):
        self.range = (across, down)

    def sizes(self, pixel_format):
        return [self.range]

    def intervals(self, pixel_format, width, height):
        return [((1, 30), (1, 30)), ((0, 0), (0, 0))]


@pytest.mark.parametrize(
    ("across", "down", "size"),
    [
        ((16, 4096, 2), (16, 2160, 2), (640, 480)),
        ((48, 1280, 32), (32, 800, 32), (624, 480)),
        ((16, 600, 8), (16, 400, 8), (600, 400)),
        ((800, 1600, 0), (600, 1200, 0), (800, 600)),
    ],
)
def test_of_a_range_of_sizes_one_near_the_wanted_is_offered(across, down, size):
    modes = list(_modes(RangeDevice(across, down), "YUYV"))
    assert size in [(mode.width, mode.height) for mode in modes]
    assert all(len(mode.intervals) == 1 for mode in modes)


@pytest.mark.parametrize("wrong", [errno.ENODEV, errno.ENOSPC, errno.EIO])
def test_every_failure_to_open_is_one_clear_line(computer, wrong):
    cameras = computer({0: OSError(wrong, os.strerror(wrong))})
    with pytest.raises(UserError) as caught:
        cameras.find("0")
    assert "\n" not in str(caught.value)


def test_a_source_is_checked_without_being_switched_on(computer):
    V4l2Source("0", directory=computer({0: WEBCAM})).check()


def test_the_list_marks_what_would_be_used(computer, capsys):
    cameras = computer({0: INFRARED, 1: WEBCAM, 2: METADATA_NODE})
    assert list_cameras(10, cameras) == 0
    lines = capsys.readouterr().out.splitlines()
    marked = [line for line in lines if "<- used by default" in line]
    assert len(marked) == 1
    assert "video1" in marked[0]
    assert any("infrared camera" in line for line in lines)
    assert any("metadata" in line for line in lines)
    assert "          <- YUYV 640x480 at 10/s" in lines


def test_a_list_without_a_usable_camera_fails(computer, capsys):
    assert list_cameras(10, computer({0: METADATA_NODE})) == 1
    assert "no camera is connected" in capsys.readouterr().err
