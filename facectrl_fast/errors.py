"""Errors that are told to the user in one line."""


class UserError(Exception):
    """Something outside the program is wrong: what it is and what to do, in one line.

    The command line prints it on stderr and exits with ``status``.
    """

    status = 1


class CameraAwayError(UserError):
    """A camera that was there cannot be used now, but may be later."""


class CameraBusyError(CameraAwayError):
    """The camera is there, and somebody else's for now."""


class UsageError(UserError):
    """A command line that cannot be meant."""

    status = 2
