"""A message bus of one's own, on which nobody else is."""

from __future__ import annotations

import os
import shutil
import subprocess

from facectrl_fast.errors import UserError


class PrivateBus:
    """Runs a dbus-daemon; a context manager that gives the bus's address."""

    def __enter__(self) -> str:
        program = shutil.which("dbus-daemon")
        if program is None:
            raise UserError("dbus-daemon is missing: install the package dbus (dbus-daemon)")
        reader, writer = os.pipe()
        command = [program, "--session", "--nofork", "--nopidfile", f"--print-address={writer}"]
        try:
            self._process = subprocess.Popen(
                command,
                pass_fds=(writer,),
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the program, which then ends the bus
            )
        finally:
            os.close(writer)
        with os.fdopen(reader) as pipe:
            address = pipe.readline().strip()
        if not address:
            _, complaint = self._process.communicate()
            raise UserError(f"dbus-daemon did not start: {complaint.decode().strip()}")
        return address

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()
