-- The wide profile: one row a known customer. `component` (number, customer) comes from connected components.

create table owner as
select v.name as node, c.customer from vertex as v join component as c using (number);

create table customer as
select distinct o.customer from believed as b join owner as o using (node)
where b.type in ('crm_id', 'shop_customer', 'loyalty_id', 'email', 'phone');

-- The golden record: the most trusted source's word, of that the newest.
create table golden as
with told as (
    select o.customer, c.*, p.e164, case source when 'crm' then 1 when 'loyalty' then 2 else 3 end as trust
    from contact as c join owner as o using (node)
    left join phone as p on p.raw = c.phone and p.country = coalesce(c.country, 'US')
)
select
    customer,
    arg_min(case when gender in ('F', 'f') then 'female' when gender in ('M', 'm') then 'male' end, (trust, -epoch(try_cast(updated_at as timestamp)))) as gender,
    arg_min(try_cast(birth_date as date), (trust, -epoch(try_cast(updated_at as timestamp)))) as birth_date,
    arg_min(country, (trust, -epoch(try_cast(updated_at as timestamp)))) as country,
    arg_min(trim(city), (trust, -epoch(try_cast(updated_at as timestamp)))) as city,
    arg_min(language, (trust, -epoch(try_cast(updated_at as timestamp)))) as language,
    arg_min(income, (trust, -epoch(try_cast(updated_at as timestamp)))) as income_band,
    arg_min(try_cast(trim(household_size) as int), (trust, -epoch(try_cast(updated_at as timestamp)))) as household_size,
    arg_max(email, try_cast(updated_at as timestamp)) as email
from told group by customer;

create table bought as
select o.customer, l.*
from line as l left join phone as p on p.raw = l.phone_raw and p.country = 'US'
join owner as o on o.node = 'pos:' || concat_ws('|', l.card_no, coalesce(p.e164, ''))
join customer as k on k.customer = o.customer
where l.status <> 'cancelled' and l.ordered_at < getvariable('as_of');

-- Conditional distinct counts in two levels: orders first.
create table order_figures as
select
    customer,
    count(*) filter (where purchases > 0 and day > getvariable('day') - 365) as orders_365d,
    count(*) filter (where purchases > 0 and day > getvariable('day') - 90) as orders_90d,
    count(*) filter (where coupons > 0 and day > getvariable('day') - 365) as coupon_orders_365d
from (
    select customer, order_id, any_value(day) as day, count(*) filter (where status = 'purchase') as purchases,
        count(*) filter (where status = 'purchase' and coupon is not null) as coupons
    from bought group by customer, order_id
) group by customer;

create table line_figures as
select
    customer,
    coalesce(sum(amount) filter (where day > getvariable('day') - 365), 0) as spend_365d,
    coalesce(sum(amount) filter (where day > getvariable('day') - 90), 0) as spend_90d,
    coalesce(sum(amount) filter (where day > getvariable('day') - 180), 0) / 6 as monthly_spend,
    coalesce(sum(quantity) filter (where day > getvariable('day') - 365), 0) as items_365d,
    max(amount) filter (where status = 'purchase' and day > getvariable('day') - 365) as largest_line,
    sum(discount) filter (where status = 'purchase' and day > getvariable('day') - 365)
        / nullif(sum(amount + discount) filter (where status = 'purchase' and day > getvariable('day') - 365), 0) as discount_share,
    abs(coalesce(sum(amount) filter (where status = 'refund' and day > getvariable('day') - 365), 0))
        / nullif(sum(amount) filter (where status = 'purchase' and day > getvariable('day') - 365), 0) as refund_share,
    sum(if(brand = 'Private', amount, 0)) filter (where status = 'purchase' and day > getvariable('day') - 365)
        / nullif(sum(amount) filter (where status = 'purchase' and day > getvariable('day') - 365), 0) as private_label_share,
    count(*) filter (where hour(local_time) >= 18 and status = 'purchase' and day > getvariable('day') - 365)
        / nullif(count(*) filter (where status = 'purchase' and day > getvariable('day') - 365), 0) as evening_share,
    count(*) filter (where isodow(day) >= 6 and status = 'purchase' and day > getvariable('day') - 365)
        / nullif(count(*) filter (where status = 'purchase' and day > getvariable('day') - 365), 0) as weekend_share,
    max(day) filter (where status = 'purchase') as last_order_on,
    max(day) filter (where status = 'purchase' and day > getvariable('day') - 365) as last_order_in_year,
    min(day) filter (where status = 'purchase' and day > getvariable('day') - 365) as first_order_in_year,
    min(day) filter (where status = 'purchase') as first_order_on,
    arg_min(category, (ordered_at, category)) filter (where status = 'purchase' and category is not null) as first_category
from bought group by customer;

create table breadth as
select customer, count(*) as category_breadth
from (select distinct customer, category from bought
      where status = 'purchase' and category is not null and day > getvariable('day') - 365)
group by customer;

-- Preferences: the values of the greatest weight, the greatest first; of equals the first by name.
create macro favourites(weighed, most) as table
select customer, list(value order by weight desc, value) as values_
from (
    select customer, value, sum(weight) as weight from query_table(weighed) where value is not null
    group by customer, value
    having sum(weight) > 0
    qualify row_number() over (partition by customer order by sum(weight) desc, value) <= most
)
group by customer;

create view category_weight as
select customer, category as value, amount::double * pow(0.5, (getvariable('day') - day) / 60) as weight
from bought where day > getvariable('day') - 365;
create view brand_weight as
select customer, brand as value, 1 as weight from bought where status = 'purchase' and day > getvariable('day') - 365;
create view hour_weight as
select customer, hour(local_time)::varchar as value, 1 as weight
from bought where status = 'purchase' and day > getvariable('day') - 365;
create view store_weight as
select customer, store_id as value, amount as weight
from bought where status = 'purchase' and day > getvariable('day') - 365;

create table favourite_categories as from favourites('category_weight', 3);
create table favourite_brands as from favourites('brand_weight', 2);
create table favourite_hours as from favourites('hour_weight', 2);
create table favourite_stores as from favourites('store_weight', 2);

create table visited as
select o.customer, h.* from visit_hit as h join owner as o on o.node = 'web:' || h.visitor
join customer as k on k.customer = o.customer where h.occurred_at < getvariable('as_of');

create view page_weight as
select customer, event_type as value, coalesce(dwell_seconds, 1) as weight
from visited where day > getvariable('day') - 180;
create table favourite_pages as from favourites('page_weight', 3);

create table web_figures as
select
    customer,
    count(*) filter (where day > getvariable('day') - 30) as page_views_30d,
    count(distinct (visitor, visit)) filter (where day > getvariable('day') - 90) as sessions_90d,
    count(distinct (visitor, visit)) filter (where event_type = 'cart' and day > getvariable('day') - 30) as carts_30d,
    coalesce(sum(dwell_seconds) filter (where day > getvariable('day') - 90), 0) / 60 as minutes_online_90d,
    getvariable('day') - max(day) as days_since_visit,
    arg_max(device, (occurred_at, url)) filter (where device is not null) as device
from visited group by customer;

create table social_figures as
select o.customer, count(*) filter (where s.day > getvariable('day') - 90) as social_actions_90d
from social as s join owner as o on o.node = 'social:' || s.handle
where s.occurred_at < getvariable('as_of') group by o.customer;

create table campaign_figures as
select
    o.customer,
    count(*) filter (where event = 'sent' and day > getvariable('day') - 180) as campaigns_received_180d,
    count(distinct campaign_id) filter (where event = 'convert' and day > getvariable('day') - 365) as campaigns_answered_365d,
    count(distinct campaign_id) filter (where event = 'convert' and day > getvariable('day') - 365)
        / nullif(count(distinct campaign_id) filter (where event = 'sent' and day > getvariable('day') - 365), 0)
        as campaign_response
from campaign_event as e join owner as o on o.node = 'campaign:' || e.card_no
where day <= getvariable('day') group by o.customer;

create table account_figures as
select o.customer, sum(try_cast(trim(points) as bigint)) as loyalty_points,
    arg_max(lower(tier), try_cast(updated_at as timestamp)) as loyalty_tier
from contact as c join owner as o using (node) where source = 'loyalty' group by o.customer;

create table cuts as
select
    quantile_disc(getvariable('day') - last_order_in_year, [0.2, 0.4, 0.6, 0.8]) as recency,
    quantile_disc(orders_365d, [0.2, 0.4, 0.6, 0.8]) as frequency,
    quantile_disc(spend_365d, [0.2, 0.4, 0.6, 0.8]) as monetary
from line_figures join order_figures using (customer) where orders_365d > 0;

create macro above(value, cuts) as len(list_filter(cuts, lambda cut: value > cut));

create table profile as
with wide as (
    select
        k.customer, g.* exclude (customer, birth_date, email), g.email is not null as reachable_by_email,
        date_diff('year', g.birth_date, getvariable('day')) - if(strftime(g.birth_date, '%m%d') > strftime(getvariable('day'), '%m%d'), 1, 0) as age,
        coalesce(orders_365d, 0) as orders_365d, coalesce(orders_90d, 0) as orders_90d,
        coalesce(coupon_orders_365d, 0) as coupon_orders_365d, coalesce(spend_365d, 0) as spend_365d,
        coalesce(spend_90d, 0) as spend_90d, coalesce(monthly_spend, 0) as monthly_spend,
        coalesce(items_365d, 0) as items_365d, largest_line, discount_share, refund_share, private_label_share,
        evening_share, weekend_share, getvariable('day') - last_order_on as days_since_order, first_order_on,
        first_category, (last_order_in_year - first_order_in_year) / nullif(orders_365d - 1, 0) as days_between_orders,
        coalesce(category_breadth, 0) as category_breadth,
        fc.values_ as favourite_categories, fb.values_ as favourite_brands, fh.values_ as favourite_hours,
        fs.values_ as favourite_stores, fp.values_ as favourite_pages,
        coalesce(page_views_30d, 0) as page_views_30d, coalesce(sessions_90d, 0) as sessions_90d,
        coalesce(carts_30d, 0) as carts_30d, coalesce(minutes_online_90d, 0) as minutes_online_90d, days_since_visit,
        device, coalesce(social_actions_90d, 0) as social_actions_90d,
        coalesce(campaigns_received_180d, 0) as campaigns_received_180d,
        coalesce(campaigns_answered_365d, 0) as campaigns_answered_365d, campaign_response, loyalty_points, loyalty_tier,
        getvariable('day') - last_order_in_year as rfm_recency_days
    from customer as k
    left join golden as g using (customer) left join order_figures using (customer) left join line_figures using (customer)
    left join breadth using (customer) left join web_figures using (customer) left join social_figures using (customer)
    left join campaign_figures using (customer) left join account_figures using (customer)
    left join favourite_categories as fc using (customer) left join favourite_brands as fb using (customer)
    left join favourite_hours as fh using (customer) left join favourite_stores as fs using (customer)
    left join favourite_pages as fp using (customer)
), scored as (
    select wide.*,
        if(orders_365d > 0, 5 - above(rfm_recency_days, c.recency), null) as rfm_r,
        if(orders_365d > 0, 1 + above(orders_365d, c.frequency), null) as rfm_f,
        if(orders_365d > 0, 1 + above(spend_365d, c.monetary), null) as rfm_m
    from wide cross join cuts as c
)
select
    *, spend_365d / nullif(orders_365d, 0) as average_order,
    (spend_90d / 90) / (nullif(spend_365d, 0) / 365) as spend_trend, sessions_90d > 0 and orders_90d = 0 as visits_without_order,
    case when age < 25 then 'under 25' when age < 35 then '25-34' when age < 45 then '35-44' when age < 55 then '45-54'
        when age < 65 then '55-64' when age >= 65 then '65 and over' end as age_band,
    case when days_since_order <= 30 then 'active' when days_since_order <= 90 then 'cooling'
        when days_since_order > 90 then 'inactive' when orders_365d = 0 then 'never' end as activity,
    case when discount_share >= 0.3 or coupon_orders_365d >= 5 then 'high' when discount_share >= 0.15 then 'middle'
        when discount_share is not null then 'low' end as price_sensitivity,
    case when average_order >= 60 then 'big baskets' when average_order < 20 and orders_365d >= 24 then 'quick trips'
        when average_order is not null then 'regular' end as shopping_style,
    case when rfm_r >= 4 and rfm_f >= 4 and rfm_m >= 4 then 'champions' when rfm_r >= 3 and rfm_f >= 4 then 'loyal'
        when rfm_r <= 2 and rfm_f >= 4 and rfm_m >= 4 then 'cannot_lose_them' when rfm_r <= 2 and rfm_f >= 3 then 'at_risk'
        when rfm_r >= 4 and rfm_f >= 2 then 'potential_loyalist' when rfm_r = 5 and rfm_f = 1 then 'new_customers'
        when rfm_r = 4 and rfm_f = 1 then 'promising' when rfm_r = 3 and rfm_f = 3 then 'need_attention'
        when rfm_r = 3 then 'about_to_sleep' when rfm_r = 2 then 'hibernating' when rfm_r = 1 then 'lost' end as rfm_segment
from scored;
