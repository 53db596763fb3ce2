"""Imports of the test helpers and their fixtures."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["fake_experiments", "local_cluster", "rank_fixtures"]
