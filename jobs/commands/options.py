"""What every command shares: its options, its configuration, and how its errors are told."""

import getpass
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.runtime.console import Screen, nowhere, scrubbed
from jobs.runtime.duck import interruptible
from transforms.errors import DefinitionError, PortraitError

if TYPE_CHECKING:
    from jobs.runtime.configuration import Configuration

Conf = Annotated[Path, typer.Option("--conf", help="The folder that holds pipeline.yml.")]
Env = Annotated[str | None, typer.Option("--env", help="Lay conf/env/NAME.yml over pipeline.yml.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
CONF = Path("conf")
LONGEST_REASON = 1000
# what the libraries that reach stores raise, without importing them
_OF_STORES = ("_internal", "deltalake", "pyarrow")
# what DuckDB and Arrow raise over a data file, and how they name it
_BROKEN = {("_duckdb", "IOException"), ("_duckdb", "InvalidInputException"), ("pyarrow.lib", "ArrowInvalid")}
_DATA_FILE = re.compile(r"""['"]([^'"]+\.parquet)['"]""")
_INTERRUPTED = "interrupted; run the same command again to go on"
_BY_DUCKDB = "Query interrupted"  # which raises a RuntimeError for it


def told(command: Callable[..., None]) -> Callable[..., None]:
    """Turn Portrait's errors into lines and an exit status."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        screen = Screen(as_json=bool(kwargs.get("as_json")))
        try:
            with interruptible():
                command(*args, **kwargs)
        except PortraitError as error:
            raise _ended(screen, str(error).splitlines(), error.exit_status) from None
        except BrokenPipeError:  # whoever read it, such as head, has enough
            nowhere(sys.stdout)
        except KeyboardInterrupt:
            raise _ended(screen, [_INTERRUPTED], PortraitError.exit_status) from None
        except Exception as error:
            line = _INTERRUPTED if str(error) == _BY_DUCKDB else of_the_store(error)
            if line is None:
                raise
            raise _ended(screen, [line], PortraitError.exit_status) from None

    return run


def _ended(screen: Screen, lines: list[str], status: int) -> typer.Exit:
    """How a command ends that could not do what it was asked."""
    for line in lines:
        screen.fail(line)
    with suppress(OSError):  # it may be standard output itself that takes nothing
        screen.result({"error": lines, "exit_status": status})
    return typer.Exit(status)


def of_the_store(error: Exception) -> str | None:
    """What a store's refusal to be read or written is told as, a line; None for any other error."""
    module, name = type(error).__module__, type(error).__name__
    broken = _DATA_FILE.search(str(error)) if (module, name) in _BROKEN else None
    if broken or ("orrupt" in str(error) and (module == "_duckdb" or isinstance(error, OSError))):
        from jobs.runtime.damage import REMEDY  # which commands that fail at nothing need not load

        file = broken[1] if broken else f"a data file ({scrubbed(str(error))})"
        return f"{file}: cannot be read; {REMEDY}"
    if not isinstance(error, OSError) and module.partition(".")[0] not in _OF_STORES:
        return None
    return (
        f"the store cannot be read or written: {scrubbed(str(error)) or type(error).__name__}; look at the disk or the "
        "connection, then run the same command again"
    )


def day_of(text: str, option: str = "--date") -> date:
    """The date that an option says. Raises DefinitionError for anything else than YYYY-MM-DD."""
    try:
        if len(text) != len("2026-01-31"):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise DefinitionError(f"{option} {text}: not a date; write it as 2026-01-31") from None


def author(by: str | None) -> str:
    """Who does it: the name given, or the one who is logged in. Raises DefinitionError where neither is known."""
    try:
        name = (by if by is not None else getpass.getuser()).strip()
    except (KeyError, OSError):
        name = ""
    if not name:
        raise DefinitionError("--by: nobody is named; say who does it")
    return name


def reason_of(text: str) -> str:
    """A reason in one line. Raises DefinitionError for none, and for one that nobody would read."""
    reason = " ".join(text.split())
    if not 1 <= len(reason) <= LONGEST_REASON:
        raise DefinitionError(f"--reason: has {len(reason):,} characters; say why in 1 to {LONGEST_REASON:,}")
    return reason


def load(conf: Path, env: str | None, screen: Screen, *, definitions: bool = True) -> "Configuration":
    """The configuration, its warnings shown. Raises DefinitionError with a line for each mistake."""
    from jobs.runtime.configuration import load_configuration

    loaded = load_configuration(conf, env, definitions=definitions)
    for line in loaded.warnings:
        screen.warn(line)
    return loaded


def is_local() -> bool:
    """Under spark-submit the master, its memory and its defaults come from there."""
    return "PYSPARK_GATEWAY_PORT" not in os.environ
