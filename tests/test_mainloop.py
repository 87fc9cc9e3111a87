"""The loop that everything wakes."""

import gc
import os
import signal
import threading
import time

import pytest

from facectrl_fast.mainloop import MainLoop, SignalWatch


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_a_readable_descriptor_calls_back(loop, pipe):
    reader, writer = pipe
    got = []

    def read():
        got.append(os.read(reader, 1))
        if len(got) == 2:
            loop.quit()

    handle = loop.watch_fd(reader, read)
    os.write(writer, b"ab")
    loop.run()
    loop.remove(handle)
    assert got == [b"a", b"b"]


def test_a_loop_that_is_gone_calls_nobody_back(pipe):
    """GLib's context outlives it, and would call into memory that is free."""
    called = []
    gone = MainLoop()
    reader, writer = pipe
    gone.call_later(0.0, lambda: called.append(1))
    gone.watch_fd(reader, lambda: called.append(1))
    os.write(writer, b"x")
    del gone
    gc.collect()
    loop = MainLoop()
    loop.call_later(0.05, loop.quit)
    loop.run()
    assert called == []


def test_calls_come_when_due_and_in_order(loop):
    calls = []
    loop.call_later(0.05, lambda: calls.append("later"))
    loop.call_later(0.0, lambda: calls.append("now"))
    loop.call_later(0.1, loop.quit)
    begin = time.monotonic()
    loop.run()
    assert calls == ["now", "later"]
    assert time.monotonic() - begin >= 0.1


def test_what_is_removed_does_not_call(loop):
    calls = []
    handle = loop.call_later(0.0, lambda: calls.append("removed"))
    loop.remove(handle)
    loop.remove(handle)
    loop.call_later(0.02, loop.quit)
    loop.run()
    assert calls == []


def test_an_exception_ends_the_run_and_comes_out_of_it(loop):
    def fail():
        raise RuntimeError("boom")

    loop.call_later(0.0, fail)
    with pytest.raises(RuntimeError, match="boom"):
        loop.run()
    loop.call_later(0.0, loop.quit)
    loop.run()


def test_a_signal_wakes_the_sleeping_loop(loop):
    got = []

    def stop(number):
        got.append(number)
        loop.quit()

    before = signal.getsignal(signal.SIGTERM)
    with SignalWatch(loop, [signal.SIGTERM], stop):
        # From another thread, once this one sleeps in C with nothing else to wake it.
        sender = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
        sender.start()
        loop.run()
        sender.join()
    assert got == [signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_sleeps_without_cpu(loop):
    loop.call_later(0.3, loop.quit)
    cpu = time.process_time()
    loop.run()
    assert time.process_time() - cpu < 0.1
