"""What others' records refer to: of no person, and at no moment."""

from transforms.schemas.shape import MONEY, Column, Entity

PRODUCT = Entity(
    "product",
    key=("product_id",),
    columns=(
        Column("product_id", "string", "", "none", True),
        Column("name", "string", "", "none"),
        Column("category", "string", "", "none"),
        Column("brand", "string", "", "none"),
        Column("list_price", MONEY, "in the base currency", "none"),
    ),
)
CAMPAIGN = Entity(
    "campaign",
    key=("campaign_id",),
    columns=(
        Column("campaign_id", "string", "", "none", True),
        Column("name", "string", "", "none"),
        Column("channel", "string", "", "none"),
        Column("cost", MONEY, "in the base currency", "none"),
        Column("starts_on", "date", "", "none"),
        Column("ends_on", "date", "", "none"),
    ),
)
