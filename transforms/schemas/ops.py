"""What the pipeline tells of itself: no personal data."""

from transforms.schemas.shape import Column, Table

OPS_RUN = Table(
    "ops/run",
    (
        Column("run_id", "string", "", "none", True),
        Column("date", "date", "the business date", "none", True),
        Column("status", "string", "running, released, failed or stopped", "none", True),
        Column("at", "timestamp", "UTC; when the run came to this status", "none", True),
        Column("started_at", "timestamp", "UTC", "none", True),
        Column("base_release", "bigint", "the release it starts from; NULL for the first night", "none"),
        Column("configuration", "string", "hash of every YAML file", "none", True),
        Column("code_version", "string", "", "none", True),
        Column("options", "string", "JSON: --again, --full-refresh, …", "none"),
        Column("seconds", "double", "", "none"),
        Column("error", "string", "", "none"),
    ),
)
OPS_STAGE = Table(
    "ops/stage",
    (
        Column("run_id", "string", "", "none", True),
        Column("date", "date", "the business date", "none", True),
        Column("stage", "string", "", "none", True),
        Column("status", "string", "done or failed", "none", True),
        Column("at", "timestamp", "UTC; when it ended", "none", True),
        Column("seconds", "double", "", "none", True),
        Column("jobs", "bigint", "Spark jobs it ran", "none"),
        Column("rows", "bigint", "rows written", "none", True),
        Column("inputs", "map<string,bigint>", "table -> version read", "none", True),
        Column("outputs", "map<string,bigint>", "table -> version written", "none", True),
        Column("figures", "string", "JSON: what the stage counted, for the report", "none"),
        Column("error", "string", "", "none"),
    ),
)
OPS_FILE = Table(
    "ops/file",
    (
        Column("source", "string", "", "none", True),
        Column("path", "string", "below the folder of the source's read.path; jdbc:<source>/<date>", "none", True),
        Column("size", "bigint", "bytes; 0 for what a database answered", "none", True),
        Column("modified_at", "timestamp", "UTC", "none", True),
        Column("file_date", "date", "the {date} of its path", "none"),
        Column("_batch_date", "date", "business date of the run that took it", "none", True),
        Column("since", "string", "of a database: what `high` is a value of", "none"),
        Column("high", "string", "of a database: the highest value of its `since` column that landed so far", "none"),
        Column("checksum", "string", "CRC-32 of its bytes when it was taken, hexadecimal", "none"),
    ),
    key=("source", "path"),
)
OPS_QUALITY = Table(
    "ops/quality",
    (
        Column("run_id", "string", "", "none", True),
        Column("date", "date", "the business date", "none", True),
        Column("at", "timestamp", "UTC; of a check that one run tells twice the later counts", "none", True),
        Column("table", "string", "", "none", True),
        Column("source", "string", "", "none"),
        Column("check", "string", "", "none", True),
        Column("dimension", "string", "completeness validity uniqueness consistency timeliness accuracy", "none", True),
        Column("rows", "bigint", "rows looked at; 1 where the check is of the night's rows as a whole", "none", True),
        Column("failed", "bigint", "rows that failed; 1 where the whole did", "none", True),
        Column("share", "double", "failed / rows; 0 where there were none", "none", True),
        Column("gate", "string", "quarantine, warn or stop", "none", True),
        Column("passed", "boolean", "", "none", True),
        Column("value", "double", "what was measured and judged; NULL for a mere count", "none"),
        Column("detail", "string", "what was found and what is allowed, for people", "none"),
    ),
)
OPS_LINEAGE = Table(
    "ops/lineage",
    (
        Column("run_id", "string", "", "none", True),
        Column("stage", "string", "", "none", True),
        Column("output", "string", "table, or tag", "none", True),
        Column("output_version", "bigint", "", "none"),
        Column("input", "string", "table", "none", True),
        Column("input_version", "bigint", "", "none"),
    ),
)
OPS_RELEASE = Table(
    "ops/release",
    (
        Column("release", "bigint", "counts up; readers take the newest", "none", True),
        Column("run_id", "string", "", "none", True),
        Column("date", "date", "the business date", "none", True),
        Column("released_at", "timestamp", "UTC", "none", True),
        Column("cause", "string", "night restore override erasure maintenance replay", "none", True),
        Column("versions", "map<string,bigint>", "table -> version: one consistent state", "none", True),
        Column("configuration", "string", "hash of every YAML file", "none", True),
        Column("expired", "boolean", "its versions are gone: it can be neither read nor restored", "none"),
        Column(
            "layout", "int", "the store's layout that it is written in; NULL: 1, from before layouts were told", "none"
        ),
    ),
)
OPS_EXPORT = Table(
    "ops/export",
    (
        Column("run_id", "string", "", "none", True),
        Column("date", "date", "the business date", "none", True),
        Column("export", "string", "", "none", True),
        Column("release", "bigint", "the release that it reads", "none", True),
        Column("delivered_at", "timestamp", "UTC", "none", True),
        Column("path", "string", "the folder that holds the manifest", "none", True),
        Column("mode", "string", "full or changes", "none", True),
        Column("definition", "string", "hash of the definition", "none", True),
        Column("rows", "bigint", "", "none", True),
        Column("counts", "map<string,bigint>", "added changed removed merged", "none", True),
        Column("manifest", "string", "JSON: the delivery's manifest, with each file's checksum", "none"),
    ),
)
