"""What can be chosen about a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

DETECTORS = ("auto", "tiny", "yunet", "haar", "haar-seed")
LEAST_SHARE = 1 / 6
"""Of an image's height, the smallest face that is looked for."""
BACKENDS = ("v4l2", "opencv")
MODES = ("headphones", "presence")
SAVE_POWER = ("auto", "always", "never")
CONFERENCE_PROGRAMS = (
    "zoom",
    "teams",
    "teams-for-linux",
    "skypeforlinux",
    "webex",
    "CiscoCollabHost",
    "jitsi-meet",
    "linphone",
)
"""Programs that hold video calls and want the camera: the names of their processes."""
HEADPHONE_TASKS = {
    "classifier": "headphones on or off: two dense layers, the smallest to train",
    "cnn": "headphones on or off: small convolutions, the best one",
    "autoencoder": "learns what 'on' looks like, and takes all else for off",
    "vae": "the same, variational",
}
"""What can be trained to tell headphones, and what it is."""
TRACKERS = ("template", "none", "csrt", "kcf", "mosse")


@dataclass(frozen=True)
class RunOptions:
    """The options of ``facectrl-fast run``."""

    source: str = "auto"
    backend: str = BACKENDS[0]
    realtime: bool = True
    mode: str = MODES[0]
    """Headphones: they decide. Presence: whoever is there, plays."""
    player: tuple[str, ...] = ()
    """The names of those to control; empty for all."""
    ignore: tuple[str, ...] = ()
    """The names of those to leave alone."""
    detector: str = "auto"
    detector_model: Path | None = None
    tracker: str = TRACKERS[0]
    model: Path | None = None
    """None for what ``calibrate`` made, else the packaged one."""
    owner: str | None = None
    """Who was enrolled and alone counts; None for everybody."""
    identity_model: Path | None = None
    """Recognises the owner; None for the one that ``enroll`` used last."""
    rate: float = 10.0
    """Analyses a second, at most."""
    save_power: str = SAVE_POWER[0]
    """When to look less often; auto: on battery and in the power-saver profile."""
    yield_camera: bool = False
    """Leave the camera alone while a program of ``yield_to`` runs."""
    yield_to: tuple[str, ...] = CONFERENCE_PROGRAMS
    notify: bool = False
    """Tell on the desktop what was done."""
    dry_run: bool = False
    preview: bool = False
    record: Path | None = None
    profile: bool = False
    """At the end, print where the time went."""


@dataclass(frozen=True)
class CollectOptions:
    """The options of ``facectrl-fast collect``."""

    source: str = "auto"
    backend: str = BACKENDS[0]
    detector: str = "auto"
    detector_model: Path | None = None
    count: int | None = None
    """Stop after so many crops."""
    seconds: float | None = None
    """Stop after so much of the source's time."""
    expansion: float = 1.5
    """What a crop shows beyond the face box, as a share of its sides: more than training needs, so
    that it can move and scale its cut."""
    preview: bool = True
    """Show a window where there is a screen."""


@dataclass(frozen=True)
class CalibrateOptions:
    """The options of ``facectrl-fast calibrate``."""

    source: str = "auto"
    backend: str = BACKENDS[0]
    detector: str = "auto"
    detector_model: Path | None = None
    seconds: float = 10.0
    """To record with headphones, without, and away."""
    recordings: Mapping[str, str] = field(default_factory=dict)
    """Videos of on, off and away, instead of the camera."""
    dataset: Path | None = None
    """Crops that were collected before, instead of recording."""
    preview: bool = True
    """Show a window where there is a screen."""
