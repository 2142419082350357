"""What makes people hard to tell apart: shared addresses, wrong ones, placeholders, and who a later night is about."""

from itertools import groupby

from jobs.demo import reach
from jobs.demo.chance import generator
from jobs.demo.people import Draws, Person, pick, stream
from jobs.demo.truth import Truth

MERGES, SPLITS = 3, 3


def plant(people: list[Person], *, copy: int, seed: int, truth: Truth) -> None:
    """Change what the systems were told about some people, and keep the truth of it."""
    draws = stream(generator(seed, "stories", copy))
    _give_roles(people, seed=seed, copy=copy, truth=truth)
    for _, household in groupby(people, key=lambda person: person.household):
        _share(list(household), draws, truth)
    for person in people:
        if not person.role:
            _blur(person, copy, draws, truth)


def _give_roles(people: list[Person], *, seed: int, copy: int, truth: Truth) -> None:
    """Those whom the third night is about: two records of one person not tied yet, two people tied by a mistake."""
    heads = [next(members) for _, members in groupby(people, key=lambda person: person.household)]
    able = [person for person in heads if person.has_crm and person.card]
    rounds = min(MERGES, len(able) // 6)
    chosen = generator(seed, "roles", copy).choice(len(able), size=3 * rounds, replace=False).tolist() if rounds else []
    for turn in range(rounds):
        one, wrong, other = (able[index] for index in chosen[3 * turn : 3 * turn + 3])
        _known_as_two(one, truth)
        _tied_by_mistake(wrong, other, by_phone=turn % 3 == 2, truth=truth)


def _known_as_two(person: Person, truth: Truth) -> None:
    person.role, person.has_shop, person.handle = "merge", False, None
    person.crm_email, person.crm_phone = person.emails[0], person.phones[0]
    person.loyalty_email, person.loyalty_phone = person.emails[1], person.phones[1]
    person.till_phone = person.phones[1]
    truth.planted("merge", "crm_contacts", person.contact_id, person.key, "its e-mail becomes the loyalty member's")
    truth.planted("merge", "loyalty_members", str(person.card), person.key, "gets tied to the CRM contact")


def _tied_by_mistake(wrong: Person, other: Person, *, by_phone: bool, truth: Truth) -> None:
    for person, role in ((wrong, "split"), (other, "split_other")):
        person.role, person.has_shop, person.handle = role, False, None
        person.crm_email, person.crm_phone = person.emails[0], person.phones[0]
        person.loyalty_email, person.loyalty_phone = person.emails[0], person.phones[0]
    wrong.card = 0  # two cards in one customer would be cut apart before anybody corrects anything
    if by_phone:
        wrong.crm_phone = other.phones[0]
    else:
        wrong.crm_email = other.emails[0]
    what = "phone" if by_phone else "e-mail"
    truth.planted(
        "split", "crm_contacts", wrong.contact_id, wrong.key, f"holds a stranger's {what} until it is corrected"
    )
    truth.planted("split", "crm_contacts", other.contact_id, other.key, f"the stranger whose {what} it is")


def _share(household: list[Person], draws: Draws, truth: Truth) -> None:
    members = [person for person in household if person.has_crm]
    shared = next(draws)
    if len(members) < 2 or any(person.role for person in household):
        return
    if shared < 0.12:
        for person in members:
            person.crm_phone = members[0].phones[1]
            truth.planted("family_phone", "crm_contacts", person.contact_id, person.key, members[0].phones[1])
    elif shared < 0.16:
        address = reach.email("family", members[0].family[1], members[0].number, 3)
        for person in members:
            person.crm_email = address
            truth.planted("family_email", "crm_contacts", person.contact_id, person.key, address)


def _blur(person: Person, copy: int, draws: Draws, truth: Truth) -> None:
    """Where nothing was told, some clerks type the shop's own phone or a placeholder."""
    till = reach.till_phone(copy, int(next(draws) * 1.25))
    if person.card and person.loyalty_phone is None and next(draws) < 0.25:
        person.loyalty_phone = till
        truth.planted("till_phone", "loyalty_members", str(person.card), person.key, till)
    if person.has_crm and person.crm_phone is None:
        draw = next(draws)
        if draw < 0.12:
            person.crm_phone = till
            truth.planted("till_phone", "crm_contacts", person.contact_id, person.key, till)
        elif draw < 0.22:
            person.crm_phone = pick(reach.PLACEHOLDER_PHONES, next(draws))
            truth.planted("placeholder", "crm_contacts", person.contact_id, person.key, person.crm_phone)
    if person.has_crm and person.crm_email is None and next(draws) < 0.18:
        person.crm_email = pick(reach.PLACEHOLDER_EMAILS, next(draws))
        truth.planted("placeholder", "crm_contacts", person.contact_id, person.key, person.crm_email)
    if person.card and person.loyalty_email is None and next(draws) < 0.06:
        person.loyalty_email = pick(reach.PLACEHOLDER_EMAILS, next(draws))
        truth.planted("placeholder", "loyalty_members", str(person.card), person.key, person.loyalty_email)
