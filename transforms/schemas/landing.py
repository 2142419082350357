"""What landed as it came, and what silver refused."""

from transforms.schemas.shape import Column, Table

BRONZE_COLUMNS = (
    Column("_batch_date", "date", "business date of the run that took it", "none", True),
    Column("_file", "string", "the file it came in", "none", True),
    Column("_ingested_at", "timestamp", "UTC; when the run that took it began", "none", True),
    Column("_corrupt", "string", "the raw text of a record that could not be split into columns", "personal"),
)
CORRUPT = "corrupt"  # the reason against a record that could not be split into columns
QUARANTINE = Table(
    "silver/quarantine",
    (
        Column("_batch_date", "date", "business date of the run that refused it", "none", True),
        Column("source", "string", "", "none", True),
        Column("entity", "string", "", "none", True),
        Column("_file", "string", "the file it came in", "none"),
        Column("reasons", "array<string>", "every rule that the row violates", "none", True),
        Column("raw", "string", "the raw columns as JSON", "personal"),
    ),
)
