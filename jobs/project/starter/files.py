"""The starter's configuration: every kind of file once."""

_PIPELINE = """\
# The project. Paths are relative to the folder that holds conf/.
lakehouse: ${LAKEHOUSE:-lakehouse}
definitions: tag_definitions
timezone: Europe/Berlin          # the business day
base_currency: EUR
env_file: .env                   # the keys; ignored by git
spark:
  spark.driver.memory: 2g
"""
_PRIVACY = """\
purposes:
  marketing: {consent: opt_in}   # only where granted
  service: {consent: none}       # needs no consent
keys:                            # at least 32 characters; a list: the first signs, the others still verify
  customer: ${PORTRAIT_CUSTOMER_KEY}
  erasure: ${PORTRAIT_ERASURE_KEY}
smallest_group: 10               # a smaller audience's size is not told
retention:                       # of rows by their age, of releases by their night's; what is not named is kept
  bronze: 400d
  silver.quarantine: 90d
  releases: 30d
erasure: {proven_within: 30d}    # days until portrait maintain has proven that nothing of an erased person is left
roles:
  analyst: {deny: [personal, sensitive]}
  service_desk: {deny: [sensitive]}
"""
_IDENTITY = """\
# Whom the records are about: by the identifiers that they share.
known_by: [shop_customer, email, phone]
identifiers:
  shop_customer: {priority: 1, per_customer: 1}
  email:
    priority: 2
    per_customer: 5
    max_linked: 4                # a family's address
    blocked: ['^(no-?reply|info|test)@']
  phone: {priority: 3, per_customer: 5, max_linked: 5}
survivorship:
  default: [most_trusted_source, most_recent, most_frequent]
  email: [most_recent, most_trusted_source]
trust: [contacts]
limits: {id_churn: 0.5}          # so few customers: tighten it to 0.01 once there are thousands
"""
_CONTACTS = """\
# The shop's accounts: who is new or changed, every day.
source: contacts
entity: contact
owner: web-shop
timezone: Europe/Berlin          # of times without an offset
country: DE                      # where a contact names none
read:
  format: csv
  path: ${EXTRACTS:-extracts}/contacts/{date}/*.csv
  options: {header: true}
  required: true                 # a night without it stops
  lookback: 7d                   # files that come late are taken for so long
extract: changes
duplicates: drop
columns:                         # canonical column: expression over the raw ones
  contact_id: contact_id
  full_name: name
  given_name: split_part(name, ' ', 1)
  family_name: nullif(split_part(name, ' ', 2), '')
  birth_date: birth_date
  email: email
  phone: mobile
  country: country
  city: city
  postal_code: zip
  registered_at: created_on
  updated_at: updated_at
ids:                             # identifier type: expression; a contact's e-mail and phone come by themselves
  shop_customer: contact_id
checks:
  - {name: reachable, expect: email is not null or phone is not null, mostly: 0.9, on_fail: warn}
"""
_ORDERS = """\
# Order lines, in the shop's German notation.
source: orders
entity: transaction
owner: web-shop
timezone: Europe/Berlin
read:
  format: csv
  path: ${EXTRACTS:-extracts}/orders/{date}/*.csv
  options: {header: true, sep: ;}
  lookback: 7d
extract: append
duplicates: drop
columns:
  order_id: order_no
  line_no: pos
  ordered_at: to_timestamp(ordered_at, 'dd.MM.yyyy HH:mm')
  product_name: article
  category: product_group
  quantity: qty
  unit_price: replace(replace(price, '.', ''), ',', '.')
  amount_local: replace(replace(total, '.', ''), ',', '.')
  currency: "'EUR'"
  channel: "'online'"
ids:
  shop_customer: customer
  email: email
checks:
  - {name: has_customer, expect: "ids['shop_customer'] is not null", mostly: 0.9, on_fail: warn}
"""
_AUDIENCE = """\
audience: recent_buyers
title: {en: Bought in the last 90 days}
description: Everybody with an order in the last 90 days.
owner: crm
where: orders_90d > 0
purpose: service                 # who may not be used for it is left out, and counted
"""
_EXPORT = """\
export: service_desk
title: {en: Recent buyers for the service desk}
owner: crm
audience: recent_buyers
columns: [spend_90d, orders_90d, city]
identifiers: {email: clear}
to: {format: csv, path: '${EXPORTS:-exports}/service_desk/{date}/', files: 1}
mode: full
contract: {version: 1.0.0, status: active, team: service-desk}
role: service_desk
"""
_SPEND = """\
tag: spend_90d
title: {en: Spend in 90 days}
description: Purchases less refunds over the last 90 days.
owner: crm
version: 1
status: online
purposes: [marketing, service]
type: number
unit: EUR
from: transaction
where: status in ('purchase', 'refund')
window: 90d
select: sum(amount)
default: 0
examples:
  - given:
      - {ordered_at: 0d, amount: 20.25, status: purchase}
      - {ordered_at: -89d, amount: -5.25, status: refund}
      - {ordered_at: -90d, amount: 100, status: purchase}
    value: 15.0
"""
_ORDERS_90D = """\
tag: orders_90d
title: {en: Orders in 90 days}
description: Orders with at least one purchase in the last 90 days.
owner: crm
version: 1
status: online
purposes: [marketing, service]
type: integer
unit: orders
from: transaction
where: status = 'purchase'
window: 90d
select: count(distinct order_id)
default: 0
examples:
  - given:
      - {order_id: a, ordered_at: -1d, status: purchase}
      - {order_id: a, ordered_at: -1d, status: purchase}
      - {order_id: b, ordered_at: -90d, status: purchase}
    value: 1
  - {given: [], value: 0}
"""
_CITY = """\
tag: city
title: {en: City}
description: City of the customer's address.
owner: crm
version: 1
status: online
purposes: [marketing, service]
type: text
from: customer
select: city
examples:
  - {given: {city: Berlin}, value: Berlin}
"""
_GITIGNORE = """\
.env*
/extracts/
/exports/
/lakehouse/
/logs/
"""
_README = """\
# A Portrait project

    portrait validate                    # every YAML checked, no data read
    portrait validate --sample orders    # ten rows, raw and canonical side by side
    portrait run --date {day}      # the night: the first extracts are of that day
    portrait status
    portrait show email:alma.berg@example.com

| where | what |
|---|---|
| `conf/sources/` | a file for each extract: where it lies, what its columns are |
| `conf/identity.yml` | which identifiers say who somebody is |
| `tag_definitions/` | a file for each tag, with examples; the folder is the category |
| `conf/audiences/`, `conf/exports/` | who to reach; what is delivered where |
| `.env` | the keys that make customer ids: keep them, and keep them out of git |

The extracts are invented. A source of your own: `portrait sources infer FILE --write`, then
`portrait validate --sample NAME`.
Once it runs, remove `conf/sources/contacts.yml`, `conf/sources/orders.yml`, their folders in `extracts/`, `lakehouse/`,
and `contacts` in `trust` of `conf/identity.yml`.
"""
FILES = {
    "README.md": _README,
    ".gitignore": _GITIGNORE,
    "conf/pipeline.yml": _PIPELINE,
    "conf/privacy.yml": _PRIVACY,
    "conf/identity.yml": _IDENTITY,
    "conf/sources/contacts.yml": _CONTACTS,
    "conf/sources/orders.yml": _ORDERS,
    "conf/audiences/recent_buyers.yml": _AUDIENCE,
    "conf/exports/service_desk.yml": _EXPORT,
    "tag_definitions/value/spend_90d.yml": _SPEND,
    "tag_definitions/value/orders_90d.yml": _ORDERS_90D,
    "tag_definitions/basic/city.yml": _CITY,
}
