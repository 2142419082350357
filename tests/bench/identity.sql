-- Who is who by shared identifiers. `phone` (raw, country, e164) is registered by tests/bench/duckdb_reference.py.

create table tie as
with till as (
    select distinct 'pos:' || concat_ws('|', card_no, coalesce(p.e164, '')) as node, card_no, p.e164
    from (select distinct card_no, phone_raw from line) as l left join phone as p on p.raw = l.phone_raw and p.country = 'US'
), person as (
    select c.*, p.e164 from contact as c left join phone as p on p.raw = c.phone and p.country = coalesce(c.country, 'US')
), given as (
    select node, 'crm_id' as type, 1 as priority, id as value from person where source = 'crm'
    union all select node, 'loyalty_id', 1, id from person where source = 'loyalty'
    union all select node, 'shop_customer', 1, id from person where source = 'shop'
    union all select node, 'email', 2, email from person
    union all select node, 'phone', 3, e164 from person
    union all select node, 'social_handle', 4, lower(ltrim(social_handle, '@')) from person
    union all select node, 'loyalty_id', 1, card_no from till
    union all select node, 'phone', 3, e164 from till
    union all select distinct 'web:' || visitor, 'shop_customer', 1, login from hit
    union all select distinct 'web:' || visitor, 'cookie', 5, cookie from hit
    union all select distinct 'social:' || handle, 'social_handle', 4, handle from social
    union all select distinct 'campaign:' || card_no, 'loyalty_id', 1, card_no from campaign_event
)
select * from given
where value is not null and value <> ''
    and not (type = 'email' and regexp_matches(value, '^(no-?reply|info|test|none|unknown)@'))
    and not (type = 'phone' and regexp_matches(value, '^\+1(0{10}|1{10}|2{10}|5{10}|9{10}|1234567890)$'));

-- A value that touches more than so many stronger identifiers (or records without one) tells nobody apart.
create table hub as
with beside as (
    select weak.type, weak.value, weak.node, strong.type || strong.value as other
    from tie as weak left join tie as strong on strong.node = weak.node and strong.priority < weak.priority
    where weak.type in ('email', 'phone', 'cookie')
)
select type, value from beside group by type, value
having greatest(count(distinct other), count(distinct node) filter (where other is null))
    > case type when 'email' then 4 when 'phone' then 5 else 3 end;

create table believed as select * from tie anti join hub using (type, value);

create table vertex as
select name, row_number() over () - 1 as number
from (select distinct node as name from tie union select distinct type || ':' || value from believed);
