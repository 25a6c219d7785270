"""Versions by the names of files are those that alembic finds in the files."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from tracker.db.schema_versions import MIGRATIONS, knows_version, newest_version


def test_versions_are_those_of_the_migrations() -> None:
    configuration = Config()
    configuration.set_main_option("script_location", str(MIGRATIONS))
    scripts = ScriptDirectory.from_config(configuration)
    assert newest_version() == scripts.get_current_head()
    versions = [script.revision for script in scripts.walk_revisions()]
    assert all(knows_version(version) for version in versions)
    assert not knows_version("9999")
    assert not knows_version("")
