"""`python -m pymoo_prune.cli` is `pymoo-prune`."""

import sys

from pymoo_prune.cli.program import main

sys.exit(main())
