"""Where a fault strikes: at one of the moments at which a run is about to touch the store, or has just done so."""

import importlib
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

# Every way from Python to the store, below which the product is not looked at.
_WAYS = (
    ("jobs.runtime.snapshot", "", "read_version"),
    ("jobs.runtime.night", "", "write_files"),
    ("jobs.runtime.night", "", "write_apart"),
    ("jobs.runtime.night", "", "commit"),
    ("jobs.runtime.rewriting", "", "commit"),
    ("jobs.runtime.tables", "", "write_deltalake"),
    ("jobs.runtime.tables", "Lakehouse", "_restored"),
    ("jobs.runtime.tables", "Lakehouse", "_in_todays_layout"),
    ("jobs.engines.landing", "", "remove_folder"),
    ("jobs.engines.delivery", "", "write"),
    ("jobs.engines.delivery", "", "put_file"),
    ("jobs.engines.purge", "", "_tidy"),
    ("jobs.engines.backups", "Place", "keep"),
    ("jobs.engines.backups", "Place", "bring"),
    ("jobs.engines.backups", "Place", "write_manifest"),
    ("jobs.report", "", "write_whole"),
)


class CutError(KeyboardInterrupt):
    """The process is gone. Nothing of the product stops it, and what clean-up does after it is thrown away."""


@dataclass
class Moments:
    """Counts the moments of a run. At number `at` (from 1) the strike comes, before the call or `after` it."""

    at: int = 0
    after: bool = False
    strike: Callable[[], None] = lambda: None
    seen: int = 0
    struck: str = ""
    _lock: Any = field(default_factory=threading.Lock)

    def _due(self, name: str) -> bool:
        with self._lock:
            self.seen += 1
            if self.seen == self.at:
                self.struck = f"{'after' if self.after else 'before'} {name}"
            return self.seen == self.at

    def around(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            due = self._due(name)
            if due and not self.after:
                self.strike()
            given = real(*args, **kwargs)
            if due and self.after:
                self.strike()
            return given

        return call


@contextmanager
def passing(moments: Moments) -> Iterator[Moments]:
    """Every way to the store leads past these moments while the block runs."""
    with ExitStack() as stack:
        for module, of, name in _WAYS:
            place: Any = importlib.import_module(module)
            place = getattr(place, of) if of else place
            stack.enter_context(
                mock.patch.object(place, name, moments.around(f"{of or module}.{name}", getattr(place, name)))
            )
        yield moments
