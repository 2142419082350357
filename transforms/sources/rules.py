"""One module an entity: what turns its typed columns into canonical ones, and the rules its rows must meet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame

from transforms.sources import (
    campaign_event,
    consent,
    contact,
    enrichment,
    interaction,
    loyalty_account,
    reference,
    service_ticket,
    social_activity,
    survey_response,
    transaction,
    web_event,
)
from transforms.sources.definition import Source


@dataclass(frozen=True)
class EntityRules:
    """`finish` works on each row alone; `complete` looks at rows together, once each row is there only once, and at
    what silver holds beside them.

    `makes_ids`: `finish` makes identifiers of the columns that hold them, and `tells_ids`: of which others beside.
    `makes_key`: the part of the key that it makes of a row's content, identifiers and all, where the source gives none.
    """

    finish: Callable[..., DataFrame] | None = None
    flaws: Callable[[], dict[str, SparkColumn]] = dict
    complete: Callable[[DataFrame, DataFrame | None, Sequence[Source]], DataFrame] | None = None
    makes_ids: bool = False
    tells_ids: tuple[str, ...] = ()
    makes_key: str | None = None


RULES: dict[str, EntityRules] = {
    "contact": EntityRules(contact.finish, contact.flaws, makes_ids=True, tells_ids=("country",)),
    "transaction": EntityRules(transaction.finish, transaction.flaws),
    "web_event": EntityRules(web_event.finish, web_event.flaws, web_event.complete, makes_key="event_id"),
    "social_activity": EntityRules(social_activity.finish, social_activity.flaws, makes_ids=True),
    "campaign_event": EntityRules(campaign_event.finish, campaign_event.flaws),
    "service_ticket": EntityRules(service_ticket.finish, service_ticket.flaws),
    "survey_response": EntityRules(survey_response.finish, survey_response.flaws),
    "interaction": EntityRules(interaction.finish, interaction.flaws),
    "loyalty_account": EntityRules(loyalty_account.finish, loyalty_account.flaws),
    "consent": EntityRules(consent.finish, consent.flaws),
    "enrichment": EntityRules(enrichment.finish, enrichment.flaws),
    "product": EntityRules(flaws=reference.product_flaws),
    "campaign": EntityRules(flaws=reference.campaign_flaws),
}
