"""The whole program on real video: what the camera shows reaches the player."""

import logging
import os
import signal
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from facectrl_fast.config import RunOptions
from facectrl_fast.decide.policy import Status
from facectrl_fast.errors import UserError
from facectrl_fast.player.names import PREFIX
from facectrl_fast.types import Command, Face
from facectrl_fast.vision.analyze import FrameAnalyzer
from facectrl_fast.vision.classify import Classifier
from facectrl_fast.vision.gate import Gate
from facectrl_fast.vision.locate import Locator
from facectrl_fast.watch import Watcher
from tests.desk import Camera, CameraStream
from tests.models import brightness_model

A = PREFIX + "a"
PLAYING, PAUSED, STOPPED = Status
RATE = 10


class FakePlayers:
    """Players that obey at once and can be clicked on; takes the place of MprisPlayers."""

    def __init__(self, events, at_start):
        self.events = events
        self.status = dict(at_start)
        self.asked = []
        self.closed = False

    def start(self):
        for name, status in self.status.items():
            self.events.player_appeared(name, status)

    def close(self):
        self.closed = True

    def give_up(self):
        pass

    def perform(self, action):
        self.asked.append((action.command, action.player))
        self.by_hand(action.player, PLAYING if action.command is Command.PLAY else PAUSED)
        self.events.player_settled(action.player, self.status[action.player])

    def by_hand(self, name, status):
        self.status[name] = status
        self.events.player_status(name, status)


class FaceWhereBright:
    """A face in the middle of every picture that is not of middling gray."""

    name = "bright"

    def detect(self, image, pixel_format, least_share=None):
        height, width = image.shape[:2]
        centre = int(image[height // 2, width // 2, 0])
        there = abs(centre - 128) > 20
        return [Face((width * 0.4, height * 0.4, width * 0.2, height * 0.2), 0.9)] if there else []


SHOWS = {"on": 230, "off": 30, "nobody": 128}


@pytest.fixture
def clip(tmp_path):
    """Writes a video: each state for some seconds, with something moving."""

    def write(*scenes):
        path = tmp_path / "clip.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), RATE, (160, 120))
        number = 0
        for state, seconds in scenes:
            for _ in range(int(seconds * RATE)):
                image = np.full((120, 160, 3), SHOWS[state], np.uint8)
                image[:20] = np.arange(160)[None, :, None]
                x = 7 * number % 150
                image[100:, x : x + 10] = 255 - SHOWS[state]
                writer.write(image)
                number += 1
        writer.release()
        return str(path)

    return write


@pytest.fixture
def analyzer(tmp_path):
    classifier = Classifier(brightness_model(tmp_path / "model.onnx"))
    return FrameAnalyzer(Gate(), Locator(FaceWhereBright()), classifier)


@pytest.fixture
def watch(loop, analyzer):
    """Makes a Watcher and its fake players."""

    def make(source, players=None, display=None, **options):
        from facectrl_fast.capture.source import open_source

        source = open_source(source, realtime=False) if isinstance(source, str) else source
        made = []

        def make_players(events):
            made.append(FakePlayers(events, {A: PLAYING} if players is None else players))
            return made[0]

        watcher = Watcher(loop, source, analyzer, RunOptions(**options), make_players, display)
        return watcher, made[0]

    return make


def decisions(caplog):
    return [r.getMessage() for r in caplog.records if r.getMessage().startswith("at ")]


@pytest.fixture(autouse=True)
def _log(caplog):
    caplog.set_level(logging.INFO, "facectrl_fast")


def test_headphones_off_and_on(clip, watch, caplog):
    watcher, players = watch(clip(("on", 3), ("off", 3), ("on", 3)))
    watcher.run()
    assert players.asked == [(Command.PAUSE, A), (Command.PLAY, A)]
    assert decisions(caplog) == [
        "at 0:01.0: headphones on: nothing to do (a is playing)",
        "at 0:04.0: headphones off: pausing a",
        "at 0:07.0: headphones on: playing a",
    ]
    assert players.closed


def test_walking_away_takes_two_seconds(clip, watch, caplog):
    watcher, players = watch(clip(("on", 3), ("nobody", 4), ("on", 3)))
    watcher.run()
    assert players.asked == [(Command.PAUSE, A), (Command.PLAY, A)]
    pause = decisions(caplog)[1]
    assert pause.endswith("nobody there: pausing a")
    # The face may be missed for 0.2 s before the two seconds begin.
    assert 5.0 <= float(pause.split(":")[1]) <= 5.5


def test_a_glance_aside_changes_nothing(clip, watch):
    watcher, players = watch(clip(("on", 3), ("nobody", 1), ("on", 2), ("off", 0.5), ("on", 2)))
    watcher.run()
    assert players.asked == []


@pytest.mark.parametrize(("rate", "afterwards"), [(5, 4), (10, 5)])
def test_it_looks_as_often_as_told_until_it_is_sure_then_half_as_often(
    clip, watch, rate, afterwards
):
    watcher, _ = watch(clip(("on", 6)), rate=rate)
    watcher.run()
    assert watcher.analyses == pytest.approx(rate + 5 * afterwards, abs=2)


@pytest.mark.parametrize(("save_power", "rate"), [("always", 4), ("never", 5)])
def test_saving_energy_it_looks_less_often(clip, watch, save_power, rate):
    watcher, _ = watch(clip(("on", 6)), save_power=save_power)
    watcher.run()
    assert watcher.analyses == pytest.approx(10 + 5 * rate, abs=2)


def test_without_a_player_the_camera_stays_closed(loop, clip, watch):
    watcher, _ = watch(clip(("on", 1)), players={})
    loop.call_later(0.3, loop.quit)
    watcher.run()
    assert watcher.analyses == 0


def test_the_camera_is_released_when_the_player_goes(loop, clip, watch, caplog):
    watcher, players = watch(clip(("on", 60)), players={})
    opened = []

    def come_and_go():
        players.events.player_appeared(A, PLAYING)
        opened.append(watcher._stream)
        players.events.player_vanished(A)
        opened.append(watcher._stream)
        loop.call_later(0.0, loop.quit)

    loop.call_later(0.0, come_and_go)
    threads = threading.active_count()
    watcher.run()
    assert opened[0] is not None
    assert opened[1] is None
    assert opened[0].ring.closed
    assert threading.active_count() == threads
    assert "the camera is off; waiting for a media player" in caplog.text


def test_the_end_of_another_player_changes_nothing(clip, watch):
    both = {A: PLAYING, PREFIX + "b": PAUSED}
    watcher, players = watch(clip(("on", 3), ("off", 3)), players=both)
    players.start = lambda: (
        FakePlayers.start(players),
        players.events.player_vanished(PREFIX + "b"),
    )
    watcher.run()
    assert players.asked == [(Command.PAUSE, A)]


class ClickAt:
    """A display that clicks on the player when the recording reaches a time."""

    def __init__(self, clicks):
        self.clicks = list(clicks)
        self.players = None

    def show(self, frame, sighting, view):
        self.first = getattr(self, "first", frame.timestamp)
        while self.clicks and frame.timestamp - self.first >= self.clicks[0][0]:
            self.players.by_hand(A, self.clicks.pop(0)[1])
        return True

    def close(self):
        pass


def test_paused_by_hand_stays_paused_until_headphones_come_off_and_on(clip, watch, caplog):
    display = ClickAt([(2.0, PAUSED)])
    scenes = clip(("on", 6), ("off", 2), ("on", 2))
    watcher, display.players = watch(scenes, display=display)
    watcher.run()
    assert display.players.asked == [(Command.PLAY, A)]
    assert decisions(caplog)[-1].startswith("at 0:09.0: headphones on: playing")
    assert "a was paused by hand: left so until you change something" in caplog.text


def test_played_by_hand_without_headphones_plays_on(clip, watch):
    display = ClickAt([(3.0, PLAYING)])
    watcher, display.players = watch(clip(("off", 8)), display=display)
    watcher.run()
    assert display.players.asked == [(Command.PAUSE, A)]
    assert display.players.status[A] is PLAYING


def test_one_line_a_decision_not_one_a_frame(clip, watch, caplog):
    watcher, _ = watch(clip(("on", 10)))
    watcher.run()
    assert len(decisions(caplog)) == 1


def test_closing_the_preview_ends_it(clip, watch):
    class Quit(ClickAt):
        def show(self, frame, sighting, view):
            return False

    watcher, _ = watch(clip(("on", 60)), display=Quit([]))
    watcher.run()
    assert watcher.analyses == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once(clip, watch, number, caplog):
    class Interrupt(ClickAt):
        def show(self, frame, sighting, view):
            os.kill(os.getpid(), number)
            return True

    watcher, players = watch(clip(("on", 600)), display=Interrupt([]))
    watcher.run()
    assert players.closed
    assert watcher.analyses < 100


def test_a_camera_that_breaks_is_opened_again(loop, watch, monkeypatch, caplog):
    monkeypatch.setattr("facectrl_fast.capture.reopen.DELAYS", (0.01, 0.02))
    camera = Camera(["breaks", "fails", "fails", "works"])
    display = ClickAt([])
    display.show = lambda *_: camera.opened < 4 or watcher.analyses < 12
    watcher, _ = watch(camera, display=display)
    watcher.run()
    assert camera.opened == 4
    # One line when it broke, none for each try.
    assert caplog.text.count("trying again until it is back") == 1


def test_out_of_memory_in_a_frame_it_waits_for_some(loop, watch, monkeypatch, caplog):
    monkeypatch.setattr("facectrl_fast.capture.reopen.DELAYS", (0.01,))
    camera = Camera([])
    display = ClickAt([])
    display.show = lambda *_: camera.opened < 2 or watcher.analyses < 12
    watcher, _ = watch(camera, display=display)
    analyze, left = watcher._analyzer.analyze, iter([True, True, False])

    def scarce(frame):
        if not next(left, True):
            raise MemoryError
        return analyze(frame)

    monkeypatch.setattr(watcher._analyzer, "analyze", scarce)
    watcher.run()
    assert camera.opened == 2
    assert caplog.text.count("out of memory while a frame was judged; trying again") == 1


def test_no_frame_is_judged_twice(loop, watch):
    """A camera that gives a frame and then none costs one analysis, however long it is silent."""

    class Silent(CameraStream):
        def _produce(self):
            slot = self.ring.begin_write()
            slot.array[:] = SHOWS["on"]
            slot.publish(1.0)

    camera = Camera([])
    camera.open = lambda: Silent(1)
    loop.call_later(0.5, loop.quit)
    watcher, _ = watch(camera)
    watcher.run()
    assert watcher.analyses == 1


def test_a_player_that_restarts_quickly_leaves_one_camera_open(loop, watch):
    camera = Camera([])
    watcher, players = watch(camera)
    streams = []

    def restart():
        for _ in range(5):
            streams.append(watcher._stream)
            players.events.player_vanished(A)
            players.events.player_appeared(A, PLAYING)
        streams.append(watcher._stream)
        loop.call_later(0.1, loop.quit)

    loop.call_later(0.1, restart)
    threads = threading.active_count()
    watcher.run()
    assert [stream.ring.closed for stream in streams] == [True] * 6
    assert len({id(stream) for stream in streams}) == camera.opened == 6
    assert threading.active_count() == threads
    assert all(not stream._thread.is_alive() for stream in streams)


def test_a_camera_that_never_worked_ends_the_program(watch):
    watcher, players = watch(Camera(["fails"]))
    with pytest.raises(UserError, match="the camera is not there"):
        watcher.run()
    assert players.closed


def test_a_camera_that_somebody_else_uses_is_waited_for(loop, watch, monkeypatch, caplog):
    monkeypatch.setattr("facectrl_fast.capture.reopen.DELAYS", (0.01,))
    camera = Camera(["busy", "busy", "busy", "works"])
    display = ClickAt([])
    display.show = lambda *_: watcher.analyses < 5
    watcher, _ = watch(camera, display=display)
    watcher.run()
    assert camera.opened == 4
    assert caplog.text.count("used by cheese (process 4711); trying again until it is free") == 1
    assert caplog.text.count("watching camera") == 1


def test_a_lost_camera_is_not_tried_without_a_player(loop, watch, monkeypatch):
    monkeypatch.setattr("facectrl_fast.capture.reopen.DELAYS", (0.05,))
    camera = Camera(["breaks", "fails", "fails", "fails"])
    watcher, players = watch(camera)

    def go():
        players.events.player_vanished(A)
        loop.call_later(0.3, loop.quit)

    loop.call_later(0.5, go)
    watcher.run()
    assert not watcher._reopening.pending


def test_a_damaged_recording_ends_with_its_reason(tmp_path, clip, watch):
    path = clip(("on", 6))
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    watcher, _ = watch(path)
    with pytest.raises(UserError, match="damaged or cut off"):
        watcher.run()
