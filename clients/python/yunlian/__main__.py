"""`python -m yunlian`."""

import sys

from yunlian.command import main

sys.exit(main())
