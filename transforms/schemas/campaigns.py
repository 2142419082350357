"""What campaigns were sent to whom, and what came of them."""

from transforms.schemas.shape import MONEY, Column, Table

GOLD_CAMPAIGN_MEMBER = Table(
    "gold/campaign_member",
    (
        Column("campaign_id", "string", "", "none", True),
        Column("audience", "string", "the audience that names the campaign", "none", True),
        Column("customer_id", "string", "as it was called then", required=True),
        Column("arm", "string", "target or holdout, in the last night before the campaign began", "none", True),
        Column("since", "date", "the business date of that night", "none", True),
    ),
    key=("campaign_id", "audience", "customer_id"),
)
GOLD_CAMPAIGN_RESULT = Table(
    "gold/campaign_result",
    (
        Column("campaign_id", "string", "", "none", True),
        Column("audience", "string", "the audience that names the campaign", "none", True),
        Column(
            "arm", "string", "target and holdout; without a holdout sent, and others like them beforehand", "none", True
        ),
        Column("method", "string", "holdout (drawn by lot) or observational (looked back on)", "none", True),
        Column("starts_on", "date", "first business day that counts", "none", True),
        Column("ends_on", "date", "last business day that counts so far", "none", True),
        Column("over", "boolean", "has it ended?", "none", True),
        Column("customers", "bigint", "customers of the arm who are known now", "none", True),
        Column("reach", "bigint", "those to whom a message was sent that did not bounce", "none"),
        Column("response", "bigint", "those who clicked on one or redeemed it", "none"),
        Column("conversion", "bigint", "those who bought in the campaign's time, of whatever cause", "none"),
        Column("revenue", MONEY, "base currency; what they bought in that time less refunds", "none"),
        Column("cost", MONEY, "base currency; of the campaign, NULL where no source tells", "none"),
        Column("uplift_conversion", "double", "difference of the shares who bought; target's row alone", "none"),
        Column("uplift_conversion_low", "double", "95 % interval", "none"),
        Column("uplift_conversion_high", "double", "95 % interval", "none"),
        Column("uplift_revenue", "double", "base currency a customer; difference of the means", "none"),
        Column("uplift_revenue_low", "double", "95 % interval", "none"),
        Column("uplift_revenue_high", "double", "95 % interval", "none"),
        Column(
            "placebo", "double", "the same difference before the campaign: 0 where like is compared with like", "none"
        ),
        Column("placebo_low", "double", "95 % interval", "none"),
        Column("placebo_high", "double", "95 % interval", "none"),
        Column("covered", "double", "share of the target for whom there is somebody to compare with", "none"),
        Column("claim", "string", "what the figures allow to be said", "none"),
    ),
    key=("campaign_id", "audience", "arm"),
)
