"""The starter's extracts: fourteen invented contacts, and what they ordered in one week."""

DAY = "2026-01-31"
_CONTACTS = """\
contact_id,name,email,mobile,city,zip,country,birth_date,created_on,updated_at
C001,Alma Berg,alma.berg@example.com,+49 30 23125001,Berlin,10115,DE,1984-03-12,2024-05-02,2026-01-20 18:00:00
C002,Bruno Costa,bruno.costa@example.com,+49 30 23125002,Berlin,10117,DE,1991-11-30,2024-06-11,2026-01-21 08:30:00
C003,Clara Dahl,clara.dahl@example.com,+49 40 66969003,Hamburg,20095,DE,1975-07-04,2024-08-19,2026-01-11 10:00:00
C004,David Ernst,david.ernst@example.com,,Hamburg,20097,DE,1988-01-23,2024-09-01,2026-01-02 12:15:00
C005,Elif Faber,elif.faber@example.com,+49 89 99998005,München,80331,DE,1999-09-09,2024-11-23,2026-01-27 21:10:00
C006,Farid Groß,farid.gross@example.com,+49 89 99998006,München,80333,DE,1968-12-17,2025-01-15,2026-01-15 11:11:00
C007,Greta Hahn,greta.hahn@example.com,,Köln,50667,DE,1993-04-28,2025-02-03,2026-01-08 09:45:00
C008,Hugo Ivers,hugo.ivers@example.com,+49 221 4710008,Köln,50668,DE,1980-10-02,2025-03-30,2026-01-30 17:25:00
C009,Ines Jung,ines.jung@example.com,+43 1 2345009,Wien,1010,AT,1972-02-14,2025-04-22,2026-01-19 14:40:00
C010,Jonas Klein,jonas.klein@example.com,,Wien,1020,AT,2001-06-06,2025-06-14,2026-01-28 22:05:00
C011,Kaja Lorenz,kaja.lorenz@example.com,+49 69 90009011,Frankfurt,60311,DE,1986-08-21,2025-07-07,2026-01-05 16:30:00
C012,Luis Mair,luis.mair@example.com,+43 1 2345012,Wien,1030,AT,1979-05-25,2025-09-18,2026-01-25 19:55:00
C013,Mona Nagel,,+49 69 90009013,Frankfurt,60313,DE,1995-03-03,2025-10-31,2026-01-17 07:20:00
C014,Nils Otto,nils.otto@example.com,,Berlin,10119,DE,,2025-12-24,2025-12-24 13:00:00
"""
_ORDERS = """\
order_no;pos;ordered_at;customer;email;article;product_group;qty;price;total
A1001;1;25.01.2026 10:14;C001;alma.berg@example.com;Espresso beans;Coffee;2;12,90;25,80
A1001;2;25.01.2026 10:14;C001;alma.berg@example.com;Cup;Tableware;4;6,50;26,00
A1002;1;25.01.2026 19:40;C002;bruno.costa@example.com;Filter coffee;Coffee;1;9,90;9,90
A1003;1;26.01.2026 08:02;C003;clara.dahl@example.com;Green tea;Tea;3;7,20;21,60
A1004;1;26.01.2026 21:55;C004;david.ernst@example.com;Teapot;Tableware;1;39,00;39,00
A1005;1;27.01.2026 12:30;C005;elif.faber@example.com;Espresso beans;Coffee;1;12,90;12,90
A1005;2;27.01.2026 12:30;C005;elif.faber@example.com;Green tea;Tea;1;7,20;7,20
A1006;1;27.01.2026 17:12;C006;farid.gross@example.com;Coffee grinder;Machines;1;1.149,00;1.149,00
A1007;1;28.01.2026 09:48;C007;greta.hahn@example.com;Black tea;Tea;2;6,80;13,60
A1008;1;28.01.2026 20:20;C008;hugo.ivers@example.com;Espresso beans;Coffee;3;12,90;38,70
A1009;1;29.01.2026 11:05;C009;ines.jung@example.com;Cup;Tableware;6;6,50;39,00
A1010;1;29.01.2026 22:31;C010;jonas.klein@example.com;Filter coffee;Coffee;2;9,90;19,80
A1011;1;30.01.2026 07:37;C011;kaja.lorenz@example.com;Black tea;Tea;1;6,80;6,80
A1012;1;30.01.2026 15:00;C012;luis.mair@example.com;Espresso beans;Coffee;1;12,90;12,90
A1013;1;31.01.2026 10:26;C001;alma.berg@example.com;Cup;Tableware;-1;6,50;-6,50
A1014;1;31.01.2026 18:44;;guest@example.org;Green tea;Tea;1;7,20;7,20
"""
EXTRACTS = {
    f"extracts/contacts/{DAY}/contacts.csv": _CONTACTS,
    f"extracts/orders/{DAY}/orders.csv": _ORDERS,
}
