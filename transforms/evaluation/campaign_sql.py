"""The figures of campaigns as SQL, for DuckDB: sums that are exact, so that no order of rows shows in them.

It reads the views `line` (customer_id, day, amount, status) of transactions, `event` (campaign_id, customer_id, day,
event), `registered` (customer_id, day), `known` (customer_id), `plan` (plan, campaign_id, starts_on, ends_on) and `arm`
(plan, customer_id, arm), whose arms are those drawn by lot. A plan without any is looked back on: `sent` against
`others`, of those heard of before it began (whoever came later had spent nothing before, and bought because they came).
"""

PRE_DAYS = 56  # eight whole weeks, so that every weekday counts as often
STRATA = 10
LOT = ("target", "holdout")
LOOKED_BACK = ("sent", "others")

# Of the view `member` (gold/campaign_member) what the plans `named` ask for; by `merged` two ids become one.
NOTED = """
create temp table noted as
select plan, customer_id, arm, since from member join named using (campaign_id, audience)
"""
# Who turned out to be one person of both arms is in none; what was not drawn by lot has no arms.
ARMS = f"""
with one as (
    select plan, coalesce(kept, customer_id) as customer_id, min(arm) as arm
    from noted left join merged using (customer_id) group by all having count(distinct arm) = 1
)
select plan, customer_id, arm from one
where plan in (select plan from one group by plan having list_sort(list(distinct arm)) = {sorted(LOT)})
order by all
"""

SPEND = """
create temp table spend as
select customer_id, day, sum(coalesce(amount, 0)) as amount, bool_or(status = 'purchase') as bought from line
where status in ('purchase', 'refund') group by all
"""
HEARD = """
create temp table heard as
select customer_id, min(day) as heard_on from known join (
    select customer_id, day from spend union all select customer_id, day from event union all
    select customer_id, day from registered
) using (customer_id) group by all
"""
UNITS = f"""
create temp table unit as
select plan, customer_id, arm from arm join known using (customer_id)
union all
select plan, customer_id, if(s.customer_id is null, '{LOOKED_BACK[1]}', '{LOOKED_BACK[0]}')
from plan join heard on heard_on < starts_on
left join (select distinct campaign_id, customer_id from event where event = 'sent') s using (campaign_id, customer_id)
where plan not in (select plan from arm)
"""
FIGURES = f"""
create temp table figure as
select u.plan, u.customer_id, u.arm,
    coalesce(sum(amount) filter (day >= starts_on), 0) as during,
    coalesce(bool_or(bought) filter (day >= starts_on), false) as bought,
    coalesce(sum(amount) filter (day < starts_on and day >= starts_on - {PRE_DAYS}), 0) as before,
    coalesce(bool_or(bought) filter (day < starts_on and day >= starts_on - {PRE_DAYS}), false) as bought_before,
    coalesce(sum(amount) filter (day < starts_on - {PRE_DAYS}), 0) as earlier
from unit u join plan using (plan)
left join spend s on s.customer_id = u.customer_id and day between starts_on - {2 * PRE_DAYS} and ends_on
group by all
"""
REACHED = """
select f.plan, f.arm, count(distinct f.customer_id) filter (e.sent and not e.bounced),
    count(distinct f.customer_id) filter (e.answered)
from figure f join plan using (plan) join (
    select campaign_id, customer_id, bool_or(event = 'sent') as sent, bool_or(event = 'bounce') as bounced,
        bool_or(event in ('click', 'convert')) as answered
    from event group by all
) e using (campaign_id, customer_id)
group by all
"""
FIRST_DAY = "select min(day) from spend"


def sums_sql(value: str, bought: str, stratum: str | None) -> str:
    """plan, arm, stratum, customers, bought, spent, squares; without a `stratum`, or anybody sent it, all are in one.

    `stratum`: the figure by whose deciles, among those who were sent the campaign, customers are parted. A value that
    many share, such as 0, is in one stratum.
    """
    deciles = [step / STRATA for step in range(1, STRATA)]
    cuts = (
        f"select plan, list_distinct(quantile_disc({stratum}, {deciles})) as cuts from figure "
        f"where arm in ('{LOT[0]}', '{LOOKED_BACK[0]}') group by all"
        if stratum
        else "select distinct plan, [] as cuts from figure"
    )
    place = f"len(list_filter(coalesce(cuts, []), lambda cut: {stratum} > cut))" if stratum else "0"
    money = f"cast({value} as decimal(18,4))"
    return (
        f"with cut as ({cuts}) select plan, arm, {place} as stratum, count(*), count(*) filter ({bought}), "
        f"sum({money}), sum({money} * {money}) from figure left join cut using (plan) group by all"
    )
