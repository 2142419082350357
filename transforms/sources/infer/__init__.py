"""From some rows of an unknown extract to the YAML that reads it."""

from transforms.sources.infer.lines import Known
from transforms.sources.infer.proposal import Proposal, propose
from transforms.sources.infer.sample import MOST_ROWS, Field, Sample

__all__ = ["MOST_ROWS", "Field", "Known", "Proposal", "Sample", "propose"]
