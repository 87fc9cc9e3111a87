"""The program with defects: it keeps a file, a thread and memory for each thing that it asks of a
player."""

import os
import sys
import threading

from facectrl_fast.cli import main
from facectrl_fast.player.mpris import MprisPlayers

perform = MprisPlayers.perform
kept = []


def forgets(players, action):
    os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    kept.append(b"x" * (1 << 20))
    perform(players, action)


MprisPlayers.perform = forgets
sys.exit(main())
