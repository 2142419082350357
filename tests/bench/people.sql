-- Who is who: contacts of three systems, every identifier that a record gives, and those that can be believed.

create macro address(text) as if(regexp_matches(lower(trim(text)), '^[^@ ]+@[^@ ]+\.[^@ ]+$'), lower(trim(text)), null);

create table contact as
with crm as (
    select 'crm' as source, contact_id as id, first_name as given_name, last_name as family_name, gender, birth_date,
        email, mobile as phone, country, state as region, city, zip as postal_code, street, occupation, income,
        marital_status, household_size, language, social_handle, opt_in_marketing, opt_in_at, updated_at,
        file_day(filename) as file_day
    from read_csv(
        getvariable('crm'), filename = true, header = true, all_varchar = true, delim = ',', quote = '"', escape = '"',
        ignore_errors = true, auto_detect = false, columns = {
            'contact_id': 'VARCHAR', 'salutation': 'VARCHAR', 'first_name': 'VARCHAR', 'last_name': 'VARCHAR',
            'gender': 'VARCHAR', 'birth_date': 'VARCHAR', 'email': 'VARCHAR', 'mobile': 'VARCHAR', 'street': 'VARCHAR',
            'zip': 'VARCHAR', 'city': 'VARCHAR', 'state': 'VARCHAR', 'country': 'VARCHAR', 'language': 'VARCHAR',
            'marital_status': 'VARCHAR', 'income': 'VARCHAR', 'household_size': 'VARCHAR', 'occupation': 'VARCHAR',
            'social_handle': 'VARCHAR', 'opt_in_marketing': 'VARCHAR', 'opt_in_at': 'VARCHAR', 'created_at': 'VARCHAR',
            'updated_at': 'VARCHAR'
        }
    )
), loyalty as (
    select 'loyalty' as source, card_no as id, trim(split_part(member, ',', 2)) as given_name,
        trim(split_part(member, ',', 1)) as family_name, email, phone, country, tier, points, changed_at as updated_at,
        file_day(filename) as file_day
    from read_csv(
        getvariable('loyalty'), filename = true, header = true, delim = ';', quote = '"', escape = '"',
        ignore_errors = true, auto_detect = false, columns = {
            'card_no': 'VARCHAR', 'member': 'VARCHAR', 'email': 'VARCHAR', 'phone': 'VARCHAR', 'tier': 'VARCHAR',
            'points': 'VARCHAR', 'joined_on': 'VARCHAR', 'changed_at': 'VARCHAR', 'country': 'VARCHAR'
        }
    )
), shop as (
    select 'shop' as source, login as id, name as given_name, email, phone, country, updated_at,
        file_day(filename) as file_day
    from read_csv(
        getvariable('shop'), filename = true, header = true, delim = ',', quote = '"', escape = '"',
        ignore_errors = true, auto_detect = false, columns = {
            'login': 'VARCHAR', 'name': 'VARCHAR', 'email': 'VARCHAR', 'phone': 'VARCHAR', 'country': 'VARCHAR',
            'created_at': 'VARCHAR', 'updated_at': 'VARCHAR'
        }
    )
), everybody as (
    select * from crm union all by name select * from loyalty union all by name select * from shop
)
select * exclude (file_day, email), source || ':' || id as node, address(email) as email
from everybody
where id is not null
qualify row_number() over (partition by source, id order by file_day desc, updated_at desc, to_json(everybody)) = 1;
