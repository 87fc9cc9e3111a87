"""Errors that are told to the user in one line."""

NONSENSE = (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading JSON that holds something else than it should may raise."""


def printable(text: str) -> str:
    """In one line: control characters and the like are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def is_unicode(text: str) -> bool:
    """Whether it is no name of bytes in disguise, which are no text and at which OpenCV crashes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class UserError(Exception):
    """Something outside the program is wrong: what it is and what to do, in one line.

    The command line prints it on stderr and exits with ``status``.
    """

    status = 1

    def __init__(self, message: str = "") -> None:
        """Name what is wrong; what of it cannot be printed in a line is escaped."""
        super().__init__(printable(message))


class CameraAwayError(UserError):
    """A camera that was there cannot be used now, but may be later."""


class CameraBusyError(CameraAwayError):
    """The camera is there, and somebody else's for now."""


class UsageError(UserError):
    """A command line that cannot be meant."""

    status = 2
