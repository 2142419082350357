"""`portrait init`: a new project that runs as it is."""

import shlex
from pathlib import Path

from jobs.demo.tour import write_keys
from jobs.project.starter.extracts import DAY, EXTRACTS
from jobs.project.starter.files import FILES
from jobs.runtime.console import Screen
from transforms.errors import DefinitionError

_MOST_NAMED = 5


def write_project(folder: Path, screen: Screen) -> None:
    """Write the starter's files, its extracts and keys of its own into a new or empty folder.

    Raises DefinitionError where the folder holds anything, or cannot be written.
    """
    check_empty(folder)
    try:
        for name, text in {**FILES, **EXTRACTS}.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text.replace("{day}", DAY), encoding="utf-8")
        write_keys(folder / ".env")
    except OSError as error:
        raise DefinitionError(f"{folder}: cannot be written: {error.strerror}") from None
    commands = ["portrait validate", "portrait validate --sample orders", f"portrait run --date {DAY}"]
    screen.say(f"{folder}: a new project, {len(FILES)} files, extracts of {DAY}, keys in .env (keep them). Next:\n")
    for command in (f"cd {shlex.quote(str(folder))}", *commands):
        screen.say(f"    {command}")
    screen.result({"project": folder.absolute(), "date": DAY, "files": sorted({**FILES, **EXTRACTS}), "next": commands})


def check_empty(folder: Path) -> None:
    """Raise DefinitionError, naming what is there, unless the folder is empty or not there yet."""
    if folder.exists() and not folder.is_dir():
        raise DefinitionError(f"{folder}: is a file; name a new or empty folder")
    found = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    if found:
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        raise DefinitionError(
            f"{folder}: is not empty (holds {', '.join(found[:_MOST_NAMED])}{more}); name a new or empty folder"
        )
