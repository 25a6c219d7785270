"""The database: tables, engine, migrations, queries and writes."""
