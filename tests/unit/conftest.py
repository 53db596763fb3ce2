"""Imports of the test helpers and their fixtures, and no deadline for generated examples."""

import sys
from pathlib import Path

from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["fake_experiments", "local_cluster", "rank_fixtures"]

# Cores are shared with other work.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
