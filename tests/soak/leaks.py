"""The program with a defect: it forgets to close a file for each thing that it asks of a player."""

import os
import sys

from facectrl_fast.cli import main
from facectrl_fast.player.mpris import MprisPlayers

perform = MprisPlayers.perform


def forgets(players, action):
    os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    perform(players, action)


MprisPlayers.perform = forgets
sys.exit(main())
