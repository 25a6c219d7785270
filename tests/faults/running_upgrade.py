"""A process to kill: upgrades a database. Arguments: database URL, folder for backups."""

import sys
from pathlib import Path

from tests.support.cast import NOW
from tracker.master_key import MasterKey
from tracker.services.upgrade import Installation, upgrade_database

if __name__ == "__main__":
    url = sys.argv[1]
    installation = Installation(url, None, MasterKey.beside(url))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    upgrade_database(installation, Path(sys.argv[2]), NOW, lambda _session: [])
