-- The extracts, typed, with the newest word on every record. Variables: one list of files a system.
-- Every statement ends in a semicolon at the end of a line; tests/bench/duckdb_reference.py runs and times them.

create macro file_day(path) as regexp_extract(path, '/(\d{4}-\d{2}-\d{2})/', 1);

-- A line of a receipt. Rows without their key, their time or their numbers are no lines.
create table line as
with raw as (
    select * from read_csv(
        getvariable('pos'), filename = true, header = true, auto_detect = false, delim = ',', quote = '"', escape = '"',
        ignore_errors = true, buffer_size = 2000000,
        columns = {
            'receipt_id': 'VARCHAR', 'line_no': 'VARCHAR', 'store_id': 'VARCHAR', 'sold_at': 'VARCHAR',
            'card_no': 'VARCHAR', 'phone': 'VARCHAR', 'product_id': 'VARCHAR', 'product': 'VARCHAR',
            'category': 'VARCHAR', 'department': 'VARCHAR', 'brand': 'VARCHAR', 'quantity': 'VARCHAR',
            'sales_value': 'VARCHAR', 'retail_disc': 'VARCHAR', 'coupon_disc': 'VARCHAR',
            'coupon_match_disc': 'VARCHAR', 'coupon': 'VARCHAR', 'type': 'VARCHAR'
        }
    )
), typed as (
    select
        receipt_id as order_id, try_cast(trim(line_no) as int) as line_no,
        try_strptime(sold_at, '%Y-%m-%d %H:%M:%S') as local_time, card_no, phone as phone_raw, store_id, product_id,
        product, category, brand, try_cast(trim(quantity) as decimal(18, 4)) as counted,
        -- a pump counts thousandths of a gallon
        if(product like 'GASOLINE%' and counted >= 100, (counted / 1000)::decimal(18, 4), counted) as quantity,
        try_cast(trim(sales_value) as decimal(18, 4)) as amount,
        try_cast(trim(retail_disc) as decimal(18, 4)) + try_cast(trim(coupon_disc) as decimal(18, 4))
            + try_cast(trim(coupon_match_disc) as decimal(18, 4)) as discount,
        coupon, type, file_day(filename) as file_day
    from raw
)
select
    * exclude (counted, file_day, type), timezone('America/New_York', local_time) as ordered_at, local_time::date as day,
    case when quantity = 0 and amount = 0 and discount = 0 then 'cancelled' when amount < 0 then 'refund' else 'purchase' end
        as status
from typed
where order_id is not null and line_no is not null and local_time is not null and quantity is not null
    and amount is not null and discount >= 0
qualify row_number() over (partition by order_id, line_no order by file_day desc, amount, product_id) = 1;

-- A hit of the web site: the combined log format and a cookie after it.
create table hit as
with raw as (
    select line, file_day(filename) as file_day from read_csv(
        getvariable('web'), filename = true, header = false, auto_detect = false, delim = '\x01', quote = '', escape = '',
        ignore_errors = true, buffer_size = 2000000, columns = {'line': 'VARCHAR'}
    )
), parsed as (
    -- host ident user [time zone] "method url protocol" status bytes "referrer" "agent" "cookie"
    select string_split(line, '"') as f, string_split(f[1], ' ') as head, string_split(f[2], ' ') as request,
        string_split(f[3], ' ') as answer
    from raw
), typed as (
    select distinct
        head[1] as ip, nullif(head[3], '-') as login, nullif(f[8], '-') as cookie, request[2] as url,
        split_part(url, '?', 1) as path, nullif(f[4], '-') as referrer, f[6] as agent, answer[2] as status,
        answer[3] as bytes, try_strptime(head[4] || head[5], '[%d/%b/%Y:%H:%M:%S%z]') as occurred_at,
        regexp_matches(f[6], '(?i)bot|crawl|spider|slurp|curl|wget|python-requests|headless|monitor') as is_bot
    from parsed where len(f) = 9 and len(head) = 6 and len(request) between 2 and 3
)
select
    *, timezone('America/New_York', occurred_at)::date as day, coalesce(login || '|' || cookie, login, cookie, ip || agent) as visitor
from typed where occurred_at is not null;

-- Visits: hits of one visitor with less than half an hour between them.
create table visit_hit as
with gaps as (
    select *,
        case when url like '/product/%' then 'product' when url like '/category/%' or url = '/' then 'view'
            when url like '/search%' then 'search' when url like '/cart%' then 'cart'
            when url like '/checkout%' then 'checkout' when url like '/login%' then 'login' else 'other' end as event_type,
        case when regexp_matches(agent, 'iPad|Tablet') or (agent like '%Android%' and agent not like '%Mobile%') then 'tablet'
            when regexp_matches(agent, 'Mobi|iPhone|Android') then 'mobile'
            when regexp_matches(agent, 'Windows|Macintosh|X11|CrOS') then 'desktop' end as device, occurred_at - lag(occurred_at) over w > interval 30 minutes as pause,
        epoch(lead(occurred_at) over w - occurred_at) as until_next
    from hit where not is_bot
    window w as (partition by visitor order by occurred_at, url)
)
select
    * exclude (pause, until_next), if(until_next <= 1800, until_next::int, null) as dwell_seconds,
    sum(if(pause or pause is null, 1, 0)) over (partition by visitor order by occurred_at, url) as visit
from gaps;

-- Something said or done on a social platform.
create table social as
with raw as materialized (
    select line, file_day(filename) as file_day from read_csv(
        getvariable('social'), filename = true, header = false, auto_detect = false, delim = '\x01', quote = '', escape = '',
        ignore_errors = true, buffer_size = 2000000, columns = {'line': 'VARCHAR'}
    )
    where json_valid(line)
)
select
    line ->> '$.id' as id, line ->> '$.platform' as platform, line ->> '$.action' as action,
    from_json(line -> '$.topics', '["VARCHAR"]') as topics, try_cast(line ->> '$.created_at' as timestamptz) as occurred_at,
    lower(ltrim(line ->> '$.user.handle', '@')) as handle,
    timezone('America/New_York', occurred_at)::date as day
from raw
where id is not null and occurred_at is not null
qualify row_number() over (partition by id order by file_day desc, line) = 1;

-- A coupon mailed or redeemed.
create table campaign_event as
select event_id, campaign_id, card_no, event, try_strptime(happened_at, '%Y-%m-%dT%H:%M:%S') as local_time, local_time::date as day
from read_csv(
    getvariable('campaign_events'), filename = true, header = true, auto_detect = false, delim = ',', quote = '"',
    escape = '"', ignore_errors = true, buffer_size = 2000000, columns = {
        'event_id': 'VARCHAR', 'campaign_id': 'VARCHAR', 'card_no': 'VARCHAR', 'channel': 'VARCHAR', 'event': 'VARCHAR',
        'happened_at': 'VARCHAR'
    }
)
where event_id is not null and event in ('sent', 'convert') and local_time is not null
qualify row_number() over (partition by event_id order by file_day(filename) desc) = 1;
