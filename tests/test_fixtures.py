"""The databases that every other test relies on."""

from sqlalchemy import create_engine, inspect, text


def test_a_migrated_database_has_tables(database_url: str) -> None:
    engine = create_engine(database_url)
    assert "alembic_version" in inspect(engine).get_table_names()
    engine.dispose()


def test_an_empty_database_has_no_tables(empty_database_url: str) -> None:
    engine = create_engine(empty_database_url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()


def test_what_one_test_writes_is_gone_in_the_next(database_url: str) -> None:
    """Both halves are here: the table can only be made again if each copy is fresh."""
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE left_behind (id INTEGER)"))
    engine.dispose()


def test_the_next_database_knows_nothing_of_the_one_before(database_url: str) -> None:
    engine = create_engine(database_url)
    assert "left_behind" not in inspect(engine).get_table_names()
    engine.dispose()
