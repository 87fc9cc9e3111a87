"""The program as a systemd service of the user, from login to logout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from facectrl_fast.errors import UserError
from facectrl_fast.files import whole_file
from facectrl_fast.models import user_data
from facectrl_fast.settings import config_path, load_settings

NAME = "facectrl-fast.service"
TIMEOUT = 120.0
"""Seconds that systemd may take: it waits until the program is ready."""
ANSWERS_WITHIN = 10.0
"""Seconds that it may take to answer a question."""
BACK_OFF_SINCE = 254
"""The first version of systemd that waits longer before each restart."""
Tell = Callable[[str], None]

_UNIT = """\
# Written by 'facectrl-fast service install', which writes it anew.
[Unit]
Description=Plays music while you wear your headphones (facectrl-fast)
PartOf=graphical-session.target
After=graphical-session.target
StartLimitIntervalSec=15min
StartLimitBurst=20

[Service]
Type=notify
NotifyAccess=main
ExecStart={command} run
WorkingDirectory=/
WatchdogSec=5min
TimeoutStopSec=5
Restart=on-failure
# What is wrong with the configuration does not get better by trying again.
RestartPreventExitStatus=2
RestartSec=5
{back_off}
# It looks at the camera and speaks to the session's buses: nothing else is left to it. Without
# PrivateUsers a user's systemd passes over what follows, and says nothing.
PrivateUsers=yes
RestrictAddressFamilies=AF_UNIX{network}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths=-{data}
PrivateTmp={private_tmp}
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
MemoryMax=400M
TasksMax=32

[Install]
WantedBy=graphical-session.target
"""
_BACK_OFF = "RestartSteps=6\nRestartMaxDelaySec=5min\n"


def unit_path() -> Path:
    """Where the unit is, or would be."""
    return config_path().parents[1] / "systemd" / "user" / NAME


def unit(version: int | None = None) -> str:
    """The unit for this installation of the program.

    Args:
        version: of systemd; the one that is installed by default.

    Raises:
        UsageError: the configuration file says what is not allowed.
    """
    version = _systemd_version() if version is None else version
    source = load_settings({}).options.source
    return _UNIT.format(
        command=_command(),
        data=_quoted(str(user_data())),
        # It must find itself.
        private_tmp="no" if _is_temporary() else "yes",
        back_off=_BACK_OFF if version >= BACK_OFF_SINCE else "",
        # Cameras need none; a source on the network does.
        network=" AF_INET AF_INET6" if "://" in source else "",
    )


def install(tell: Tell) -> None:
    """Write the unit, and start it where there is a graphical session.

    Raises:
        UserError: there is no systemd for it, or it refuses.
    """
    _need_systemd()
    path = unit_path()
    content = unit()
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as draft:
        draft.write_text(content)
    _systemctl("daemon-reload")
    _systemctl("enable", NAME)
    tell(f"installed: {path}")
    if _systemctl("is-active", "graphical-session.target", check=False) == 0:
        _systemctl("restart", NAME)
        tell("it runs; 'facectrl-fast status' says what it does")
    else:
        tell(
            "it starts with your next graphical session; at once with: "
            f"systemctl --user start {NAME}"
        )


def remove(tell: Tell) -> None:
    """Stop it and delete the unit. The configuration and what was learnt stay.

    Raises:
        UserError: it is not installed, or systemd refuses.
    """
    path = unit_path()
    if not path.exists():
        raise UserError(f"the service is not installed: there is no {path}")
    if shutil.which("systemctl"):
        _systemctl("disable", "--now", NAME, check=False)
    path.unlink()
    if shutil.which("systemctl"):
        _systemctl("daemon-reload", check=False)
    tell(f"removed: {path}")


def status() -> int:
    """Have systemd print what the service does; returns its exit status, 3 where it does not run.

    Raises:
        UserError: there is no systemd.
    """
    _need_systemd()
    return _show("systemctl", "--user", "--no-pager", "status", NAME)


def logs() -> int:
    """Have journalctl print what the service said since the last boot; returns its exit status.

    Raises:
        UserError: there is no journal.
    """
    if not shutil.which("journalctl"):
        raise UserError("there is no journal: journalctl is missing")
    return _show("journalctl", "--user", "--no-pager", "--boot", "--unit", NAME)


def state() -> str:
    """In one word: active, inactive, failed, or not installed."""
    if not unit_path().exists():
        return "not installed"
    if not shutil.which("systemctl"):
        return "without systemd"
    return _answer("--user", "is-active", NAME).strip() or "unknown"


def _is_temporary() -> bool:
    places = (Path(sys.prefix), Path(__file__))
    return any(p.resolve().is_relative_to(tmp) for p in places for tmp in ("/tmp", "/var/tmp"))


def _command() -> str:
    script = Path(sys.executable).with_name("facectrl-fast")
    if script.exists():
        return _quoted(str(script))
    return f"{_quoted(sys.executable)} -m facectrl_fast"


def _quoted(text: str) -> str:
    """As systemd reads it: % begins what it replaces, $ variables."""
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if re.search(r'[\s"\\\'$]', text) else text


def _need_systemd() -> None:
    if not shutil.which("systemctl"):
        raise UserError(
            "there is no systemd here; start 'facectrl-fast run' with your desktop's autostart"
        )


def _systemd_version() -> int:
    if not shutil.which("systemctl"):
        return 0
    found = re.match(r"systemd (\d+)", _answer("--version"))
    return int(found[1]) if found else 0


def _answer(*arguments: str) -> str:
    """What systemctl says to a question; empty where it does not answer."""
    try:
        return subprocess.run(
            ["systemctl", *arguments],
            capture_output=True,
            text=True,
            timeout=ANSWERS_WITHIN,
            check=False,
        ).stdout
    except subprocess.TimeoutExpired:
        return ""


def _systemctl(*arguments: str, check: bool = True) -> int:
    try:
        done = subprocess.run(
            ["systemctl", "--user", *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UserError(f"systemctl --user {' '.join(arguments)} does not end") from None
    if check and done.returncode != 0:
        complaint = " ".join(done.stderr.split()) or f"status {done.returncode}"
        raise UserError(f"systemctl --user {' '.join(arguments)}: {complaint}")
    return done.returncode


def _show(*command: str) -> int:
    sys.stdout.flush()
    return subprocess.run(command, check=False).returncode
