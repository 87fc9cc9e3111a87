"""Hearing of devices that appear."""

import errno
import select

import pytest

from facectrl_fast.capture.hotplug import DeviceArrivals


@pytest.fixture
def arrivals(tmp_path):
    arrivals = DeviceArrivals(tmp_path)
    yield arrivals
    arrivals.close()


def readable(arrivals):
    return bool(select.select([arrivals.fileno()], [], [], 0)[0])


def test_nothing_happened(arrivals):
    assert not readable(arrivals)
    assert not arrivals.arrived()


def test_a_camera_appears(arrivals, tmp_path):
    (tmp_path / "video3").touch()
    assert readable(arrivals)
    assert arrivals.arrived()
    assert not arrivals.arrived()


def test_a_camera_is_given_to_its_group(arrivals, tmp_path):
    """A new device belongs to root alone for a moment: to try then is too early."""
    (tmp_path / "video3").touch()
    arrivals.arrived()
    (tmp_path / "video3").chmod(0o660)
    assert arrivals.arrived()


def test_other_devices_are_none_of_ours(arrivals, tmp_path):
    (tmp_path / "ttyUSB0").touch()
    assert not arrivals.arrived()


def test_a_camera_among_many_others(arrivals, tmp_path):
    for number in range(200):
        (tmp_path / f"something{number}").touch()
    (tmp_path / "video0").touch()
    assert arrivals.arrived()


def test_a_folder_that_cannot_be_watched(tmp_path):
    with pytest.raises(OSError, match="No such file") as caught:
        DeviceArrivals(tmp_path / "missing")
    assert caught.value.errno == errno.ENOENT


def test_closing_twice(tmp_path):
    arrivals = DeviceArrivals(tmp_path)
    arrivals.close()
    arrivals.close()
