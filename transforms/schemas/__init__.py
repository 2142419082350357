"""Every table's columns: name, type, meaning, unit, sensitivity, and whether it may be missing. Constants only.

No Spark here, so that `portrait validate` and the readers without a JVM can use it;
`transforms.columns.conform` turns a Table into Spark types.
"""

from transforms.schemas.activity import (
    CAMPAIGN_EVENT,
    INTERACTION,
    SERVICE_TICKET,
    SOCIAL_ACTIVITY,
    SURVEY_RESPONSE,
    TRANSACTION,
    WEB_EVENT,
)
from transforms.schemas.campaigns import (
    GOLD_CAMPAIGN_MEMBER,
    GOLD_CAMPAIGN_RESULT,
)
from transforms.schemas.gold import (
    GOLD_AUDIENCE,
    GOLD_AUDIENCE_MEMBER,
    GOLD_CUSTOMER,
    GOLD_MODEL,
    GOLD_TAG_CATALOG,
    GOLD_TAG_CHANGE,
    GOLDEN_FIELDS,
    TAG_MODEL,
)
from transforms.schemas.identity import (
    IDENTITY_CHANGE,
    IDENTITY_CONFLICT,
    IDENTITY_EDGE,
    IDENTITY_RECORD,
    LEDGER,
)
from transforms.schemas.journeys import (
    GOLD_JOURNEY,
    GOLD_ORDER,
    GOLD_SESSION,
)
from transforms.schemas.landing import (
    BRONZE_COLUMNS,
    CORRUPT,
    QUARANTINE,
)
from transforms.schemas.ops import (
    OPS_EXPORT,
    OPS_FILE,
    OPS_LINEAGE,
    OPS_QUALITY,
    OPS_RELEASE,
    OPS_RUN,
    OPS_STAGE,
)
from transforms.schemas.override import GOLD_OVERRIDE
from transforms.schemas.people import (
    CONSENT,
    CONTACT,
    ENRICHMENT,
    LOYALTY_ACCOUNT,
)
from transforms.schemas.privacy import OPS_ERASURE
from transforms.schemas.reference import (
    CAMPAIGN,
    PRODUCT,
)
from transforms.schemas.segments import (
    GOLD_ASSOCIATION,
    GOLD_RECOMMENDATION,
    GOLD_SEGMENT_MIGRATION,
    GOLD_SEGMENT_PROFILE,
    GOLD_SEGMENTATION,
)
from transforms.schemas.shape import (
    COMMON_FIRST,
    COMMON_LAST,
    IDS,
    MONEY,
    Column,
    Entity,
    Sensitivity,
    Table,
)

__all__ = [
    "BRONZE_COLUMNS",
    "CAMPAIGN",
    "CAMPAIGN_EVENT",
    "COMMON_FIRST",
    "COMMON_LAST",
    "CONSENT",
    "CONTACT",
    "CORRUPT",
    "ENRICHMENT",
    "ENTITIES",
    "FIXED_TABLES",
    "GOLDEN_FIELDS",
    "GOLD_ASSOCIATION",
    "GOLD_AUDIENCE",
    "GOLD_AUDIENCE_MEMBER",
    "GOLD_CAMPAIGN_MEMBER",
    "GOLD_CAMPAIGN_RESULT",
    "GOLD_CUSTOMER",
    "GOLD_JOURNEY",
    "GOLD_MODEL",
    "GOLD_ORDER",
    "GOLD_OVERRIDE",
    "GOLD_RECOMMENDATION",
    "GOLD_SEGMENTATION",
    "GOLD_SEGMENT_MIGRATION",
    "GOLD_SEGMENT_PROFILE",
    "GOLD_SESSION",
    "GOLD_TAG_CATALOG",
    "GOLD_TAG_CHANGE",
    "IDENTITY_CHANGE",
    "IDENTITY_CONFLICT",
    "IDENTITY_EDGE",
    "IDENTITY_RECORD",
    "IDS",
    "INTERACTION",
    "LEDGER",
    "LOYALTY_ACCOUNT",
    "MONEY",
    "OPS_ERASURE",
    "OPS_EXPORT",
    "OPS_FILE",
    "OPS_LINEAGE",
    "OPS_QUALITY",
    "OPS_RELEASE",
    "OPS_RUN",
    "OPS_STAGE",
    "PRODUCT",
    "QUARANTINE",
    "SERVICE_TICKET",
    "SOCIAL_ACTIVITY",
    "SURVEY_RESPONSE",
    "TAG_MODEL",
    "TRANSACTION",
    "WEB_EVENT",
    "Column",
    "Entity",
    "Sensitivity",
    "Table",
]

ENTITIES: dict[str, Entity] = {
    entity.name: entity
    for entity in (
        CONTACT, TRANSACTION, WEB_EVENT, SOCIAL_ACTIVITY, CAMPAIGN_EVENT, SERVICE_TICKET, SURVEY_RESPONSE, INTERACTION,
        LOYALTY_ACCOUNT, CONSENT, ENRICHMENT, PRODUCT, CAMPAIGN,
    )
}  # fmt: skip

FIXED_TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        *(entity.table for entity in ENTITIES.values()),
        QUARANTINE, IDENTITY_EDGE, IDENTITY_RECORD, LEDGER, IDENTITY_CHANGE, IDENTITY_CONFLICT,
        GOLD_CUSTOMER, GOLD_MODEL, TAG_MODEL, GOLD_AUDIENCE, GOLD_AUDIENCE_MEMBER, GOLD_TAG_CATALOG, GOLD_TAG_CHANGE,
        GOLD_CAMPAIGN_MEMBER, GOLD_CAMPAIGN_RESULT, GOLD_OVERRIDE, GOLD_ORDER, GOLD_SESSION, GOLD_JOURNEY,
        GOLD_SEGMENTATION, GOLD_SEGMENT_PROFILE, GOLD_SEGMENT_MIGRATION, GOLD_ASSOCIATION, GOLD_RECOMMENDATION,
        OPS_RUN, OPS_STAGE, OPS_FILE, OPS_QUALITY, OPS_LINEAGE, OPS_RELEASE, OPS_EXPORT,
        OPS_ERASURE,
    )
}  # fmt: skip
