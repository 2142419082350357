"""`portrait export --verify`: is a delivery what its manifest says? Without Spark or configuration."""

from jobs.engines.delivery import read_manifest, verify
from jobs.runtime.console import Screen
from transforms.errors import DataError


def show_verification(path: str, screen: Screen) -> None:
    """Say that the delivery in a folder is whole. Raises DataError with a line for each thing that is wrong."""
    problems = verify(path)
    if problems:
        raise DataError("\n".join(problems))
    told = read_manifest(path) or {}
    files = len(told["files"])
    of = f"release {told['release']} of {told['date']}, {told['mode']}"
    screen.say(f"{path}: whole: {told['rows']} rows, {files} files; {of}")
    names = ("export", "release", "date", "mode", "rows", "counts")
    screen.result({"path": path, "whole": True, "files": files, **{name: told[name] for name in names}})
