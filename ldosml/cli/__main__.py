"""``python -m ldosml.cli`` is ``ldosml``."""

import sys

from ldosml.cli import main

sys.exit(main())
