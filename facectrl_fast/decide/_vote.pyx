# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The vote window. Verdicts and times in, the verdict that held for the whole window out."""

from libc.math cimport isfinite

cdef enum:
    CAPACITY = 64
    NONE = -1


cdef class VoteCounter:
    """A streak of equal verdicts, as small integers; O(1) a vote, nothing allocated.

    ``windows[v]`` is how long verdict ``v`` must hold, in seconds; a verdict beyond them abstains.
    All verdicts of the window agree exactly if the streak began before it; the last
    ``least_votes`` times of the streak tell whether there are enough of them in it. A decision is
    ``make_decision(verdict, start of the streak)``, made once a streak.
    """

    cdef double windows[CAPACITY]
    cdef double times[CAPACITY]
    cdef int kinds
    cdef int least_votes
    cdef int current
    cdef long long count
    cdef double since
    cdef double last
    cdef object make_decision
    cdef object decision

    def __init__(self, windows, int least_votes, make_decision):
        if not 1 <= len(windows) <= CAPACITY:
            raise ValueError("windows: need 1 to 64 of them")
        if not 1 <= least_votes <= CAPACITY:
            raise ValueError("least_votes: must be 1 to 64")
        for i, window in enumerate(windows):
            if not (isfinite(window) and window > 0):
                raise ValueError("windows: must be positive numbers of seconds")
            self.windows[i] = window
        self.kinds = len(windows)
        self.least_votes = least_votes
        self.make_decision = make_decision
        self.clear()

    cpdef void clear(self):
        """Forget the streak."""
        self.current = NONE
        self.count = 0
        self.since = 0.0
        self.last = 0.0
        self.decision = None

    def add(self, verdict, double timestamp):
        """Count a verdict; the decision while it has held for the whole window, else None.

        Args:
            verdict: what the frame shows.
            timestamp: the frame's, in seconds.

        Raises:
            ValueError: the timestamp is not finite, or the verdict negative.
        """
        cdef int kind = verdict
        if not isfinite(timestamp):
            raise ValueError("timestamp: must be finite")
        if kind >= self.kinds or not self.held(kind, timestamp):
            return None
        if self.decision is None:
            self.decision = self.make_decision(verdict, self.since)
        return self.decision

    cdef int held(self, int verdict, double timestamp) except -1:
        # A pause longer than the verdict's window, or a clock that went backwards, starts the
        # streak anew: nobody knows what was there in between.
        if verdict < 0:
            raise ValueError("verdict: unknown")
        cdef double window = self.windows[verdict]
        cdef double gap = timestamp - self.last
        if verdict != self.current or gap < 0 or gap > window:
            self.current = verdict
            self.since = timestamp
            self.count = 0
            self.decision = None
        self.last = timestamp
        self.times[self.count % self.least_votes] = timestamp
        self.count += 1
        # As decides_at is told, to the last bit: a frame asked for at that time decides.
        if timestamp < self.since + window or self.count < self.least_votes:
            return False
        # The slot that the next vote will overwrite holds the oldest of the last least_votes.
        return timestamp - self.times[self.count % self.least_votes] <= window

    @property
    def streak(self):
        """The running streak's verdict and when it began, in seconds; None before the first."""
        return None if self.current == NONE else (self.current, self.since)
