"""What a system's PostgreSQL holds, asked over one session whose own work is not counted."""

from typing import Any

import psutil
import psycopg2

DATABASE_PROGRAM = "database"
DATABASE_SIZE = "SELECT pg_database_size(current_database())"


class Questions:
    """A session of the benchmark; parallel workers are off so that it does all work itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.connect()

    def connect(self) -> None:
        """Open the session anew, as after a restart of the server."""
        self._connection = psycopg2.connect(self._url)
        self._connection.autocommit = True
        self.execute("SET max_parallel_workers_per_gather = 0")

    def close(self) -> None:
        self._connection.close()

    def execute(self, statements: str) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statements)

    def ask(self, query: str, *parameters: object) -> Any:
        """The one value of a query's one row."""
        with self._connection.cursor() as cursor:
            cursor.execute(query, parameters or None)
            ((value,),) = cursor.fetchall()
        return value

    def measure_bytes(self) -> int:
        """The size of the whole database on disk, indexes and dead rows included."""
        self.execute("CHECKPOINT")
        return int(self.ask(DATABASE_SIZE))

    def read_seconds(self) -> float:
        """Processor seconds that the server has spent on this session."""
        times = psutil.Process(self._connection.get_backend_pid()).cpu_times()
        return float(times.user + times.system)
