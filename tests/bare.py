"""A configuration of sources alone: no tags, audiences or exports, and nobody to be recognised."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jobs.runtime.configuration import Configuration, Pipeline
from transforms.privacy import Keys, Privacy, Purpose
from transforms.sources.definition import Source


def bare_configuration(root: Path, sources: Iterable[Source]) -> Configuration:
    """As `load_configuration` would give it, in UTC and EUR, for stages up to silver."""
    nothing: Any = None
    return Configuration(
        root=root, pipeline=Pipeline(timezone="UTC", base_currency="EUR"),
        privacy=Privacy(
            purposes={"mail": Purpose(consent="opt_in"), "sms": Purpose(consent="none")},
            keys=Keys(customer=["c" * 40], erasure=["e" * 40]),
        ),
        sources={source.source: source for source in sources}, identity=nothing, tags={}, audiences={}, exports={},
        hash="",
    )  # fmt: skip
