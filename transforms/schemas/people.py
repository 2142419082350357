"""What systems hold of a person: who they are, their standing, their decisions, what others say of them."""

from transforms.schemas.shape import Column, Entity

CONTACT = Entity(
    "contact",
    key=("contact_id",),
    changed="updated_at",
    made=("full_name", "given_name", "family_name", "country", "region", "city", "district"),
    person=True,
    automatic_ids={"email": "email", "phone": "phone"},
    columns=(
        Column("contact_id", "string", "the source's own key of the person", "personal", True),
        Column("full_name", "string", "given name first; a Chinese name family name first", "personal"),
        Column("given_name", "string", "", "personal"),
        Column("family_name", "string", "", "personal"),
        Column("gender", "string", "female, male or other"),
        Column("birth_date", "date", "", "personal"),
        Column("email", "string", "as mail is sent to it, in lower case", "personal"),
        Column("phone", "string", "E.164", "personal"),
        Column("country", "string", "ISO 3166-1 alpha-2"),
        Column("region", "string", "state, province"),
        Column("city", "string", ""),
        Column("district", "string", "district or county"),
        Column("postal_code", "string", "", "personal"),
        Column("street", "string", "street and house number", "personal"),
        Column("occupation", "string", ""),
        Column("education", "string", ""),
        Column("income", "string", "band as the source gives it", "sensitive"),
        Column("marital_status", "string", "", "sensitive"),
        Column("household_size", "int", "persons"),
        Column("language", "string", "ISO 639-1"),
        Column("registered_at", "timestamp", "UTC"),
        Column("updated_at", "timestamp", "UTC; when the source last changed the record"),
    ),
)
LOYALTY_ACCOUNT = Entity(
    "loyalty_account",
    key=("member_id",),
    changed="updated_at",
    columns=(
        Column("member_id", "string", "", "personal", True),
        Column("tier", "string", ""),
        Column("points", "bigint", ""),
        Column("joined_at", "timestamp", "UTC"),
        Column("updated_at", "timestamp", "UTC"),
    ),
    automatic_ids={"loyalty_id": "member_id"},
)
CONSENT = Entity(
    "consent",
    key=("consent_id",),
    time="decided_at",
    changed="decided_at",
    granting="granted",
    columns=(
        Column("consent_id", "string", "", "personal", True),
        Column("decided_at", "timestamp", "UTC", required=True),
        Column("purpose", "string", "as conf/privacy.yml names it, in lower case", required=True),
        Column("granted", "boolean", "", required=True),
    ),
)
ENRICHMENT = Entity(
    "enrichment",
    key=("record_id",),
    changed="observed_at",
    columns=(
        Column("record_id", "string", "the provider's own key of the record", "personal", True),
        Column("attributes", "map<string,string>", "fact -> value, as the provider names them", "sensitive", True),
        Column("observed_at", "timestamp", "UTC; when the provider last looked"),
        Column("provider", "string", "who says so"),
    ),
)
