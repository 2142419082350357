"""The errors that Portrait's users meet. Each message says where, what is wrong and what to do."""


class PortraitError(Exception):
    """Something went wrong that the user can act on. Shown as lines, never as a stack trace."""

    exit_status = 1


class DefinitionError(PortraitError):
    """What a user wrote (a YAML file, an argument) is wrong. One line each: place, key, remedy."""

    exit_status = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class DataError(PortraitError):
    """The data failed: a required extract is missing, a column is gone, a `stop` check fell."""


class LockedError(PortraitError):
    """Another run holds the lakehouse."""

    exit_status = 3


class ModelError(PortraitError):
    """A model cannot be fitted to this data (too few rows, nothing that varies): the released one stays."""
