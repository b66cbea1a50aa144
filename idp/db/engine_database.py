"""The database of the run engine: its tables are separate from ours."""

from sqlalchemy import create_engine, text

from idp.db.settings import StoreSettings


def engine_url(settings: StoreSettings) -> str:
    """Return the address of the engine's database: a file of its own, or our PostgreSQL database (its own schema).

    Effect:  the file exists and is in WAL mode, so that enqueueing does not wait for workers. The engine does not
             change the mode
    """
    if settings.postgresql_url is not None:
        return settings.postgresql_url.get_secret_value().replace("postgresql://", "postgresql+psycopg://", 1)
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = (settings.folder / "engine.db").absolute()
    if not file.exists():
        file.touch(mode=0o600)  # SQLite would take the umask
    url = f"sqlite:///{file}"
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("PRAGMA journal_mode=WAL"))
    engine.dispose()
    return url
