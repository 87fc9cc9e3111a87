"""``python -m facectrl_fast``."""

from facectrl_fast.cli import main

raise SystemExit(main())
