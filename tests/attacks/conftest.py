"""The nights that the attacks begin from."""

from tests.end_to_end.conftest import nights

__all__ = ["nights"]
