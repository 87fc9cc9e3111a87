"""Getting a lost camera back."""

import pytest

from facectrl_fast.capture.hotplug import DeviceArrivals
from facectrl_fast.capture.reopen import Reopening
from facectrl_fast.errors import CameraBusyError, UserError

LOST = UserError("it was unplugged")


class Source:
    name = "camera"
    live = True

    def __init__(self, folder=None):
        self.folder = folder

    def arrivals(self):
        if self.folder is None:
            raise OSError("no more watches")
        return DeviceArrivals(self.folder)


@pytest.fixture
def delays(monkeypatch):
    def set_to(*seconds):
        monkeypatch.setattr("facectrl_fast.capture.reopen.DELAYS", seconds)

    return set_to


def fails_until(count, loop):
    """A try that fails until it is the ``count``th, which ends the loop."""
    tries = []

    def attempt():
        tries.append(len(tries))
        if len(tries) < count:
            attempt.reopening.later(LOST)
        else:
            loop.quit()

    attempt.tries = tries
    return attempt


def test_it_is_tried_until_it_works_and_told_once(loop, delays, caplog):
    delays(0.001)
    attempt = fails_until(5, loop)
    attempt.reopening = Reopening(loop, Source(), attempt)
    attempt.reopening.later(LOST)
    loop.run()
    assert len(attempt.tries) == 5
    assert caplog.text.count("it was unplugged; trying again until it is back") == 1
    assert not attempt.reopening.pending


def test_after_a_while_of_success_the_next_failure_is_told_again(loop, delays, caplog, monkeypatch):
    monkeypatch.setattr("facectrl_fast.capture.reopen.STEADY", 0)
    delays(60)
    reopening = Reopening(loop, Source(), lambda: None)
    reopening.later(LOST)
    reopening.succeeded()
    assert not reopening.pending
    reopening.later(CameraBusyError("it is used by cheese"))
    assert caplog.text.count("trying again") == 2
    assert "until it is free" in caplog.text
    reopening.cancel()


def test_a_camera_that_is_plugged_in_is_tried_at_once(loop, delays, tmp_path):
    delays(600)
    tries = []

    def attempt():
        tries.append(sorted(path.name for path in tmp_path.iterdir()))
        if len(tries) == 1:
            # Not ready yet: udev has still to let its user in.
            reopening.later(LOST)
            (tmp_path / "video4").chmod(0o660)
        else:
            loop.quit()

    reopening = Reopening(loop, Source(tmp_path), attempt)
    reopening.later(LOST)
    loop.call_later(0.01, lambda: (tmp_path / "mouse0").touch())
    loop.call_later(0.02, lambda: (tmp_path / "video4").touch())
    limit = loop.call_later(30, loop.quit)
    loop.run()
    loop.remove(limit)
    assert tries == [["mouse0", "video4"]] * 2
    reopening.cancel()


class Clock:
    """A loop that only writes down for how long it is asked to wait."""

    def __init__(self):
        self.waits = []
        self.due = None
        self.readable = None

    def call_later(self, seconds, callback):
        self.waits.append(seconds)
        self.due = callback
        return 1

    def watch_fd(self, fd, callback):
        self.readable = callback
        return 2

    def remove(self, handle):
        pass


def test_the_tries_become_rare_and_often_again_once_something_is_plugged_in(tmp_path):
    clock = Clock()
    reopening = Reopening(clock, Source(tmp_path), lambda: reopening.later(LOST))
    reopening.later(LOST)
    for _ in range(6):
        clock.due()
    assert clock.waits == [1, 2, 5, 10, 30, 30, 30]
    (tmp_path / "video0").touch()
    clock.readable()
    assert clock.waits[7:] == [2]
    reopening.cancel()


def test_a_camera_that_fails_again_and_again_is_opened_ever_more_seldom():
    """Its light would blink."""
    clock = Clock()
    reopening = Reopening(clock, Source(), lambda: reopening.succeeded())
    for _ in range(4):
        reopening.later(LOST)
        clock.due()
    assert clock.waits == [1, 2, 5, 10]
    assert not reopening.pending


def test_nor_is_it_tried_at_once_when_it_comes_and_goes_by_itself(tmp_path, caplog):
    clock = Clock()
    reopening = Reopening(clock, Source(tmp_path), lambda: reopening.succeeded())
    for _ in range(4):
        reopening.later(LOST)
        (tmp_path / "video0").touch()
        clock.readable()
        if reopening.pending:
            clock.due()
        (tmp_path / "video0").unlink()
    assert clock.waits[-1] > clock.waits[0]
    assert caplog.text.count("trying again") == 4, "each time that it had worked"


def test_nothing_is_tried_any_more_once_cancelled(loop, delays, tmp_path):
    delays(0.02)
    tries = []
    reopening = Reopening(loop, Source(tmp_path), lambda: tries.append(1))
    reopening.later(LOST)
    reopening.cancel()
    (tmp_path / "video0").touch()
    loop.call_later(0.1, loop.quit)
    loop.run()
    assert tries == []
