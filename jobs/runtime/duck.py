"""DuckDB for commands: what it is asked ends at Ctrl-C.

Where DuckDB asks in the main thread it may not look for signals before it is through, and until then Python runs none
of its handlers. So within `interruptible` a thread hears of Ctrl-C, and interrupts whatever `connect` has opened.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING
from weakref import WeakSet

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_OPENED: "WeakSet[DuckDBPyConnection]" = WeakSet()


def connect() -> "DuckDBPyConnection":
    """A connection to a database in memory."""
    import duckdb  # which commands that ask nothing need not load

    connection = duckdb.connect()
    _OPENED.add(connection)
    return connection


@contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C ends what connections are asked in this block; KeyboardInterrupt, or DuckDB's own error, follows."""
    if current_thread() is not main_thread():  # which alone may ask to hear of signals
        yield
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    watching = Thread(target=_interrupt, args=(heard,), daemon=True)
    watching.start()
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(told)
        watching.join()
        os.close(heard)


def _interrupt(heard: int) -> None:
    """Read the numbers of signals as they come, until the other end is closed."""
    while number := os.read(heard, 1):
        for connection in list(_OPENED) if number[0] == signal.SIGINT else ():
            with suppress(Exception):  # it was closed
                connection.interrupt()
