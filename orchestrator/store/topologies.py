"""The facility of this database, and the versions of its electrical tree."""

from datetime import datetime

from sqlalchemy import Connection, Engine, insert, select

from orchestrator.domain.errors import ConfigurationError
from orchestrator.domain.topology import Topology
from orchestrator.store.canonical import decode, digest, encode
from orchestrator.store.engine import reading, writing
from orchestrator.store.inserts import insert_or_ignore
from orchestrator.store.tables import documents, facility, topologies


def keep_document(connection: Connection, body: str) -> str:
    """Store a large text once; returns the hash that names it."""
    sha256 = digest(body)
    insert_or_ignore(connection, documents, [{"sha256": sha256, "body": body}])
    return sha256


class Facilities:
    """The one facility that the database belongs to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(self, site: str, simulated: bool, at: datetime) -> None:
        """Take the database for a facility, at every start.

        Raises ConfigurationError when it belongs to another one: records of a simulated plant
        and of a real one are never mixed.
        """
        row = {"id": 1, "site": site, "simulated": simulated, "created_at": at}
        with writing(self._engine) as connection:
            insert_or_ignore(connection, facility, [row])
            held = connection.execute(select(facility.c.site, facility.c.simulated)).one()
        if tuple(held) != (site, simulated):
            raise ConfigurationError(
                f"the database belongs to {_words(*held)}, not to {_words(site, simulated)}; "
                "use another database"
            )


class Topologies:
    """Versions of the electrical tree; the last one is in force."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, topology: Topology, at: datetime) -> str:
        """Make a topology the current one, a new version if it differs; returns its SHA-256."""
        body = encode(topology)
        with writing(self._engine) as connection:
            sha256 = keep_document(connection, body)
            if sha256 != _current(connection):
                row = {"sha256": sha256, "root_limit_id": topology.root.id, "created_at": at}
                connection.execute(insert(topologies), row)
        return sha256

    def current(self) -> Topology | None:
        """The topology in force, None in a new database."""
        with reading(self._engine) as connection:
            sha256 = _current(connection)
            if sha256 is None:
                return None
            query = select(documents.c.body).where(documents.c.sha256 == sha256)
            return decode(Topology, connection.execute(query).scalar_one())


def _current(connection: Connection) -> str | None:
    query = select(topologies.c.sha256).order_by(topologies.c.version.desc()).limit(1)
    return connection.execute(query).scalar()


def _words(site: str, simulated: bool) -> str:
    return f"{'the simulated' if simulated else 'the real'} site {site!r}"
