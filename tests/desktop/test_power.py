"""Energy is saved on battery and in the power-saver profile, whoever of the tellers is there."""

import os
import shutil
import subprocess
from pathlib import Path

import dbus
import dbus.service
import pytest

from facectrl_fast.desktop.bus import PROPERTIES_INTERFACE, open_session_bus
from facectrl_fast.desktop.power import TELLERS, PowerWatch
from facectrl_fast.player.private_bus import PrivateBus

UPOWER, PROFILES, OLD_PROFILES = TELLERS
UPOWERD = Path("/usr/libexec/upowerd")
DISCHARGING = """\
P: /devices/LNXSYSTM:00/BAT/power_supply/BAT0
E: SUBSYSTEM=power_supply
E: POWER_SUPPLY_NAME=BAT0
A: type=Battery
A: present=1
A: status=Discharging
A: energy_full=60000000
A: energy_full_design=60000000
A: energy_now=30000000
A: voltage_now=12000000
A: power_now=8000000
"""


class FakeService(dbus.service.Object):
    """Owns the teller's name and has its property; what real ones do needs hardware and polkit."""

    def __init__(self, bus, teller, value):
        self.teller, self.value = teller, value
        self.owned = dbus.service.BusName(teller.service, bus, do_not_queue=True)
        super().__init__(self.owned, teller.path)

    @dbus.service.method(PROPERTIES_INTERFACE, in_signature="ss", out_signature="v")
    def Get(self, interface, name):  # noqa: N802
        assert (interface, name) == (self.teller.interface, self.teller.name)
        return self.value

    @dbus.service.signal(PROPERTIES_INTERFACE, signature="sa{sv}as")
    def PropertiesChanged(self, interface, changed, invalidated):  # noqa: N802
        pass

    def change(self, value):
        self.value = value
        self.PropertiesChanged(self.teller.interface, {self.teller.name: value}, [])


@pytest.fixture
def serve(bus_address):
    """Puts a service on the bus."""
    buses = []

    def start(teller, value):
        buses.append(open_session_bus(bus_address))
        return FakeService(buses[-1], teller, value)

    yield start
    for bus in buses:
        bus.close()


class Told:
    """What a PowerWatch tells."""

    def __init__(self, loop):
        self._loop = loop
        self.all = []

    def __call__(self, saving):
        self.all.append(saving)
        self._loop.quit()

    def hear_no_more(self):
        """Run the loop for a while, in which nothing may be told."""
        before = list(self.all)
        limit = self._loop.call_later(0.3, self._loop.quit)
        self._loop.run()
        self._loop.remove(limit)
        assert self.all == before

    def become(self, wish):
        """Run the loop until that was told, or too long."""
        limit = self._loop.call_later(10, lambda: pytest.fail(f"told {self.all}, not {wish}"))
        while self.all != wish:
            self._loop.run()
        self._loop.remove(limit)


@pytest.fixture
def watch(loop, bus_address):
    """Starts a PowerWatch; gives what it tells."""
    watches = []

    def start(address=bus_address):
        told = Told(loop)
        watches.append(PowerWatch(loop, told, address))
        return told

    yield start
    for each in watches:
        each.close()


@pytest.mark.parametrize(
    ("teller", "normal", "saving"),
    [
        (UPOWER, False, True),
        (PROFILES, "balanced", "power-saver"),
        (OLD_PROFILES, "performance", "power-saver"),
    ],
)
def test_what_a_teller_says_is_told(serve, watch, teller, normal, saving):
    service = serve(teller, saving)
    told = watch()
    told.become([True])
    service.change(normal)
    told.become([True, False])
    service.change(saving)
    told.become([True, False, True])


def test_one_that_says_so_is_enough(serve, watch):
    battery, profile = serve(UPOWER, True), serve(PROFILES, "power-saver")
    told = watch()
    told.become([True])
    battery.change(False)
    told.hear_no_more()
    profile.change("balanced")
    told.become([True, False])


def test_a_teller_that_comes_later_is_heard_and_one_that_goes_is_forgotten(serve, watch):
    told = watch()
    service = serve(UPOWER, True)
    told.become([True])
    service.owned.get_bus().close()
    told.become([True, False])


def test_without_anybody_nothing_is_told(watch):
    told = watch()
    told.hear_no_more()
    assert told.all == []


def test_without_a_system_bus_nothing_is_told(watch):
    told = watch("unix:path=/nowhere")
    told.hear_no_more()
    assert told.all == []


def test_a_bus_that_goes_away_is_forgotten(loop):
    told = Told(loop)
    with PrivateBus() as address:
        bus = open_session_bus(address)
        service = FakeService(bus, UPOWER, True)
        watch = PowerWatch(loop, told, address)
        told.become([True])
    told.become([True, False])
    watch.close()
    assert service.value
    bus.close()


def test_what_is_under_way_when_it_is_closed_is_nothing_any_more(loop, serve, bus_address):
    serve(UPOWER, True)
    told = Told(loop)
    PowerWatch(loop, told, bus_address).close()
    told.hear_no_more()
    assert told.all == []


@pytest.mark.skipif(not UPOWERD.exists(), reason=f"the real UPower is not here: no {UPOWERD}")
@pytest.mark.skipif(not shutil.which("umockdev-run"), reason="umockdev-run is not here")
def test_the_real_upower_tells_of_a_battery_that_is_used(tmp_path, bus_address, watch):
    battery = tmp_path / "battery.umockdev"
    battery.write_text(DISCHARGING)
    told = watch()
    daemon = subprocess.Popen(
        ["umockdev-run", "--device", battery, "--", UPOWERD],
        env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus_address},
    )
    try:
        told.become([True])
    finally:
        daemon.terminate()
        daemon.wait()
    told.become([True, False])
