"""What audiences mean for each customer as DuckDB's SQL: `audience_members` without Spark, for previews.

It reads the views `profile` and `customer` (customer_id, consents). Who is kept aside is not told: the lot is drawn by
a hash that DuckDB does not have.
"""

from collections.abc import Mapping, Sequence

from transforms.audiences import Audience, levels
from transforms.privacy import Purpose, as_decided
from transforms.tags.changes import quoted, text_of

MEMBER, NO_CONSENT, EXCEPT = "member", "no_consent", "except"


def outcomes_sql(audiences: Mapping[str, Audience], rules: Mapping[str, str], purposes: Mapping[str, Purpose]) -> str:
    """customer_id, and a column an audience: member, no_consent, except, or NULL. Grain: known customer.

    `rules`: audience -> its `where` in DuckDB's words; all that an audience is built on is among `audiences`.
    """
    flags = [f"{rule} as {_in(name)}" for name, rule in rules.items()]
    # the rules are over the profile alone: the golden record has columns of the same names
    steps = [
        f"_p as (select {', '.join(['customer_id', *flags])} from profile)",
        "_0 as (select _p.*, c.consents from _p left join customer c on c.customer_id = _p.customer_id)",
    ]
    for number, level in enumerate(levels(audiences)):
        members = [
            f"{_candidate(audiences[name])} and not {_excepted(audiences[name])} as {_of(name)}" for name in level
        ]
        steps.append(f"_{number + 1} as (select *, {', '.join(members)} from _{number})")
    found = [f"{_outcome(one, consent_sql(purposes[one.purpose], one.purpose))}" for one in audiences.values()]
    return f"with {', '.join(steps)} select {', '.join(['customer_id', *found])} from _{len(steps) - 2}"


def consent_sql(purpose: Purpose, name: str, consents: str = "consents") -> str:
    """May a customer with these consents be used for the purpose? Never NULL."""
    decision = f"{consents}[{text_of(as_decided(name))}]"
    return {
        "opt_in": f"coalesce({decision}, false)", "opt_out": f"coalesce({decision}, true)", "none": "true",
    }[purpose.consent]  # fmt: skip


def _in(name: str) -> str:
    return quoted(f"_in_{name}")


def _of(name: str) -> str:
    return quoted(f"_of_{name}")


def _any(columns: Sequence[str]) -> str:
    return f"({' or '.join(columns) or 'false'})"


def _candidate(audience: Audience) -> str:
    own = [_in(audience.audience)] if audience.where is not None else []
    return _any([*own, *map(_of, audience.union)])


def _excepted(audience: Audience) -> str:
    return _any([_of(name) for name in audience.except_])


def _outcome(audience: Audience, allowed: str) -> str:
    return (
        f"case when not {_candidate(audience)} then null when {_excepted(audience)} then '{EXCEPT}' "
        f"when not {allowed} then '{NO_CONSENT}' else '{MEMBER}' end as {quoted(audience.audience)}"
    )
