"""What columns are called: for each canonical column the names that sources give it, in several languages."""

import re
import unicodedata
from functools import cache

# Written in lower case, without accents; words parted by blanks. A name that is one of them is a sure hit.
NAMES: dict[str, str] = {
    # people
    "contact_id": "contact id|customer id|client id|cust id|user id|userid|person id|member id|account id|login|"
    "uid|id|unique id|customer no|customer number|customer key|record id|key|kundennummer|kunden nr|kundennr|"
    "kunden id|id client|numero client|id cliente|codigo cliente|客户编号|客户id|用户编号|用户id|会员编号|会员id|"
    "会员号|编号|客户号|card no|card number|member no",
    "full_name": "full name|name|customer name|member name|member|contact name|display name|kundenname|"
    "nom complet|nombre completo|nome completo|姓名|客户姓名|用户姓名|会员姓名|收货人|联系人|名字|名称",
    "given_name": "given name|first name|firstname|forename|fname|vorname|prenom|nombre|nome|voornaam|名",
    "family_name": "family name|last name|lastname|surname|lname|nachname|nom|nom de famille|apellido|apellidos|"
    "cognome|sobrenome|achternaam|姓|姓氏",
    "gender": "gender|sex|geschlecht|sexe|sexo|sesso|性别",
    "birth_date": "birth date|birthdate|date of birth|dob|birthday|born|born on|geburtsdatum|geburtstag|"
    "date naissance|date de naissance|fecha nacimiento|fecha de nacimiento|data di nascita|data nascimento|"
    "出生日期|生日|出生年月",
    "email": "email|e mail|mail|email address|e mail address|emailaddress|courriel|correo|correo electronico|"
    "e mail adresse|邮箱|电子邮箱|电子邮件|邮件|邮箱地址",
    "phone": "phone|telephone|tel|mobile|mobile phone|cell|cell phone|cellphone|phone number|phonenumber|"
    "mobile no|telefon|telefonnummer|handy|mobil|mobilnummer|telefono|telefone|movil|portable|手机|手机号|"
    "手机号码|电话|电话号码|联系电话|联系方式",
    "country": "country|country code|nation|land|laendercode|pays|pais|paese|国家|国家代码",
    "region": "region|state|province|county|bundesland|departement|provincia|estado|省|省份|地区",
    "city": "city|town|locality|ort|stadt|wohnort|ville|ciudad|citta|cidade|municipality|城市|市|所在城市",
    "postal_code": "postal code|postcode|post code|zip|zip code|zipcode|plz|postleitzahl|code postal|"
    "codigo postal|cap|cep|邮编|邮政编码",
    "street": "street|street address|address|address line 1|address1|addr|strasse|anschrift|adresse|rue|"
    "direccion|calle|indirizzo|endereco|地址|收货地址|详细地址|家庭地址|联系地址|原始地址|街道|住址",
    "occupation": "occupation|job|job title|profession|beruf|metier|profesion|职业|职位",
    "education": "education|education level|degree|bildung|schulabschluss|学历|教育程度",
    "income": "income|income band|salary|annual income|einkommen|revenu|ingresos|收入|年收入|月收入",
    "marital_status": "marital status|marital|civil status|familienstand|etat civil|estado civil|婚姻|婚姻状况",
    "household_size": "household size|hh size|family size|haushaltsgroesse|家庭人数|家庭人口",
    "language": "language|lang|locale|sprache|langue|idioma|lingua|语言",
    "registered_at": "registered at|registered|registration date|registered on|created at|created|created on|"
    "create time|creation date|signup date|sign up date|joined|joined on|joined at|join date|member since|"
    "angelegt am|erstellt am|kunde seit|date creation|date inscription|fecha alta|注册时间|注册日期|创建时间|"
    "开户日期|入会时间",
    "updated_at": "updated at|updated|updated on|update time|modified|modified at|modified on|last modified|"
    "changed at|changed on|last update|last updated|geaendert am|date modification|更新时间|修改时间|最后更新时间",
    # purchases
    "order_id": "order id|orderid|order no|order number|order nr|order|invoice|invoice no|invoiceno|invoice id|"
    "invoice number|receipt|receipt id|receipt no|transaction id|transactionid|transaction no|basket id|sale id|"
    "bon nr|bestellnummer|bestell nr|auftragsnummer|rechnungsnummer|belegnummer|beleg|bon|bonnr|numero commande|"
    "num commande|no commande|numero pedido|pedido|订单号|订单编号|订单id|交易号|交易编号|流水号|单号",
    "line_no": "line no|line|line number|line id|lineno|item no|row no|position|pos|pos nr|positionsnummer|行号|"
    "序号|明细号",
    "ordered_at": "ordered at|order date|orderdate|order time|ordered on|sold at|sale date|invoice date|"
    "invoicedate|purchase date|purchased at|transaction date|transaction time|transaction timestamp|date time|"
    "datetime|timestamp|date|time|created at|paid at|bestelldatum|rechnungsdatum|belegdatum|datum|kaufdatum|"
    "date commande|date achat|fecha|fecha pedido|data ordine|data|下单时间|订单时间|下单日期|订单日期|交易时间|"
    "交易日期|购买时间|支付时间|付款时间|日期|时间",
    "product_id": "product id|productid|sku|item id|article no|article number|article id|stock code|stockcode|"
    "product code|item code|ean|upc|gtin|asin|product no|artikelnummer|artikel nr|artnr|ref produit|code produit|"
    "codigo producto|商品编号|商品id|商品编码|产品编号|货号|id",
    "product_name": "product name|product|item|item name|description|product description|article|product type|"
    "title|artikel|artikelbezeichnung|bezeichnung|produit|designation|producto|descripcion|商品|商品名称|"
    "产品名称|品名|商品名",
    "name": "name|product name|campaign name|title|description|product type|product|campaign|bezeichnung|nom|"
    "nombre|名称|商品名称|产品名称|活动名称|品名|标题",
    "category": "category|product category|category name|item category|department|product group|warengruppe|"
    "kategorie|categorie|categoria|类别|品类|分类|商品类别|类目|问题类型",
    "brand": "brand|brand name|manufacturer|vendor|marke|hersteller|marque|marca|品牌",
    "quantity": "quantity|qty|amount of items|units|count|pieces|number of items|menge|anzahl|stueck|stuck|"
    "quantite|qte|cantidad|quantita|quantidade|数量|件数|购买数量|销售数量",
    "unit_price": "unit price|unitprice|price|item price|price per unit|price each|preis|einzelpreis|stueckpreis|"
    "prix unitaire|prix|precio|precio unitario|prezzo|preco|单价|价格|商品单价",
    "discount": "discount|discount amount|rebate|retail disc|rabatt|nachlass|remise|descuento|sconto|desconto|"
    "折扣|优惠|优惠金额|折扣金额",
    "amount_local": "amount|amount local|total|total amount|line total|linetotal|sales|sales value|sales amount|"
    "revenue|value|net amount|gross amount|order amount|order total|subtotal|paid|total price|price total|betrag|"
    "gesamtbetrag|summe|umsatz|gesamtpreis|montant|montant total|total ttc|importe|importe total|importo|totale|"
    "valor|valor total|金额|订单金额|总金额|实付金额|支付金额|消费金额|交易金额|总价|销售额",
    "currency": "currency|currency code|ccy|iso currency|waehrung|wahrung|devise|moneda|valuta|moeda|币种|货币",
    "channel": "channel|sales channel|medium|kanal|canal|canale|渠道|来源渠道|下单渠道",
    "store_id": "store id|store|store no|shop id|shop|branch|branch id|outlet|location|filiale|filial nr|markt|"
    "magasin|tienda|negozio|loja|门店|门店编号|店铺|店铺id|店铺名称",
    "payment_method": "payment method|payment|payment type|pay type|tender|zahlungsart|zahlart|mode paiement|"
    "moyen paiement|metodo pago|forma pago|支付方式|付款方式",
    "coupon": "coupon|coupon code|voucher|promo code|promotion code|gutschein|gutscheincode|bon reduction|cupon|"
    "优惠券|优惠券编号",
    "status": "status|state|order status|type|transaction type|bestellstatus|statut|estado|stato|状态|订单状态|"
    "交易状态|工单状态",
    # what people do
    "event_id": "event id|eventid|hit id|message id|id|uuid|事件id|事件编号",
    "occurred_at": "occurred at|event time|event timestamp|event date|timestamp|time|ts|at|date time|datetime|"
    "date|created at|happened at|visited at|posted at|sent at|zeitpunkt|datum|horodatage|fecha|事件时间|发生时间|"
    "访问时间|发布时间|时间|日期",
    "session_id": "session id|session|sessionid|visit id|visit|sitzung|会话id|会话",
    "event_type": "event type|event|event name|action|type|事件类型|事件|行为类型",
    "url": "url|page url|page|page location|request|uri|link|网址|页面|链接",
    "path": "path|page path|url path|路径",
    "query": "query|query string|search query|查询",
    "referrer": "referrer|referer|ref|来源页面|来源网址",
    "dwell_seconds": "dwell seconds|dwell|time on page|duration|duration seconds|停留时间|停留时长",
    "ip": "ip|ip address|client ip|host|remote addr|ip地址",
    "user_agent": "user agent|useragent|agent|ua|browser agent",
    "device_type": "device type|device category|device|设备类型",
    "device_id": "device id|deviceid|idfa|gaid|advertising id|设备号|设备id",
    "os": "os|operating system|platform|操作系统",
    "browser": "browser|browser name|浏览器",
    "app_version": "app version|version|版本",
    "status_code": "status code|http status|response code",
    "bytes": "bytes|size|response size",
    "is_bot": "is bot|bot",
    "activity_id": "activity id|post id|tweet id|comment id|status id|id|动态id",
    "platform": "platform|network|site|source|平台",
    "handle": "handle|screen name|user handle|user screen name|username|user name|author|user|用户名|昵称|账号",
    "action": "action|activity|activity type|type|verb|动作|行为",
    "text": "text|body|message|content|description|post|comment|full text|tweet|review|内容|正文|评论|文本|"
    "问题描述|描述",
    "sentiment": "sentiment|sentiment score|情感",
    "topics": "topics|tags|hashtags|labels|话题|标签",
    "counts": "counts|metrics|public metrics|stats",
    "campaign_id": "campaign id|campaign|campaignid|campaign code|campaign no|mailing id|kampagne|id campagne|"
    "活动编号|活动id|营销活动",
    "event": "event|event type|action|type|status|event name|事件|动作",
    "member_id": "member id|member no|member number|card no|card number|loyalty id|loyalty card|membership id|"
    "kundenkarte|kartennummer|numero carte|id|会员号|会员卡号|卡号|会员编号",
    "tier": "tier|level|status|member level|loyalty tier|grade|stufe|niveau|nivel|会员等级|等级|级别",
    "points": "points|points balance|balance|loyalty points|bonus points|punkte|puntos|积分|积分余额",
    "joined_at": "joined at|joined on|joined|join date|enrolled at|enrolment date|enrollment date|registered at|"
    "created at|beitritt|入会时间|入会日期|注册时间",
    "consent_id": "consent id|id|opt in id|同意编号",
    "decided_at": "decided at|decision date|consent date|consented at|opt in at|opt in date|timestamp|date|"
    "updated at|created at|同意时间|授权时间",
    "purpose": "purpose|consent purpose|newsletter|mailing list|consent type|topic|permission|zweck|finalite|"
    "用途|目的",
    "granted": "granted|consent|opt in|opted in|opt in marketing|agreed|allowed|value|zustimmung|einwilligung|"
    "consentement|是否同意|同意|授权",
    "list_price": "list price|price|unit price|retail price|msrp|rrp|listenpreis|preis|prix|precio|价格|标价|"
    "原价|售价",
    "cost": "cost|costs|budget|spend|kosten|cout|coste|成本|费用|预算",
    "starts_on": "starts on|start date|start|from|begin date|start day|valid from|beginn|startdatum|debut|inicio|"
    "开始日期|开始时间",
    "ends_on": "ends on|end date|end|to|until|end day|valid to|ende|enddatum|fin|结束日期|结束时间",
    # service, surveys, the rest
    "ticket_id": "ticket id|ticket|ticket no|ticket number|case id|case number|issue id|id|工单号|工单编号",
    "opened_at": "opened at|created at|created|opened|open date|create time|ticket date|date of purchase|"
    "创建时间|提交时间|开始时间",
    "closed_at": "closed at|resolved at|closed|resolved|solved at|close date|resolution time|关闭时间|解决时间",
    "priority": "priority|ticket priority|severity|urgency|prioritaet|优先级",
    "satisfaction": "satisfaction|csat|customer satisfaction rating|satisfaction score|rating|满意度|满意度评分",
    "sla_met": "sla met|sla|within sla|是否达标",
    "response_id": "response id|response|answer id|respondent id|submission id|id|答卷编号|回复id",
    "answered_at": "answered at|answered|answered on|submitted at|response date|completed at|timestamp|date|"
    "答题时间|提交时间",
    "survey_id": "survey id|survey|questionnaire|form id|问卷编号|问卷",
    "score": "score|nps|nps score|rating|answer|note|bewertung|评分|分数|得分",
    "comment": "comment|comments|feedback|remark|free text|verbatim|评论|意见|备注",
    "interaction_id": "interaction id|call id|visit id|event id|id|互动编号",
    "kind": "kind|type|interaction type|category|互动类型|类型",
    "detail": "detail|details|notes|note|description|summary|详情|备注",
    "record_id": "record id|id|customer id|person id|记录编号",
    "attributes": "attributes|facts|properties|属性",
    "observed_at": "observed at|observed on|as of|date|updated at|timestamp|观察日期",
    "provider": "provider|supplier|source|vendor|供应商|提供方",
}  # fmt: skip
# Identifiers by which a record names a person: type -> the names of their columns.
ID_NAMES: dict[str, str] = {
    "customer_id": "customer id|customerid|cust id|client id|user id|userid|customer no|customer number|"
    "customer key|customer|household id|contact id|person id|account id|subscriber id|buyer id|shop customer|"
    "kundennummer|kunden nr|kunden id|kundennr|id client|numero client|id cliente|user|客户编号|客户id|客户号|"
    "用户id|用户编号|会员id|会员编号|买家id",
    "loyalty_id": "loyalty id|loyalty card|card no|card number|card id|member id|member no|membership id|"
    "kundenkarte|kartennummer|numero carte|会员卡号|会员号|卡号",
    "email": NAMES["email"] + "|customer email|user email|recipient|recipient email|subscriber email|to",
    "phone": NAMES["phone"] + "|customer phone|msisdn|caller",
    "social_handle": "social handle|handle|screen name|twitter|instagram|weibo|wechat|微信号|微博",
    "cookie": "cookie|cookie id|visitor id|anonymous id|anonymousid|client cookie|访客id",
    "device": "device id|deviceid|idfa|gaid|advertising id|设备号|设备id",
}  # fmt: skip
_EVERYWHERE = (
    "customer client cust user member contact person kunde kunden cliente shop crm raw src ticket order line item "
    "transaction invoice event campaign product article post tweet billing shipping delivery bill ship primary main "
    "default home the"
)
_SHORTEST, _SHORTEST_CHINESE = 5, 2
_PREFIXES = ("客户", "用户", "会员", "顾客", "订单", "商品", "收货", "活动", "联系")
_TRANSLITERATED = str.maketrans(
    {"ß": "ss", "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "æ": "ae"}
)


@cache
def words(name: str) -> str:
    """A column's name in one form: lower case, words parted by blanks, without accents."""
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    text = unicodedata.normalize("NFKD", text.translate(_TRANSLITERATED))
    text = "".join(sign for sign in text if not unicodedata.combining(sign))
    return " ".join(re.findall(r"[^\W_]+", text.lower()))


@cache
def known(names: str) -> dict[str, float]:
    """Each of the names, with blanks and without -> how good it is: earlier ones are better."""
    listed = [name for name in names.split("|") if name]
    found: dict[str, float] = {}
    for place, name in enumerate(listed):
        value = 1.0 - 0.15 * place / len(listed)
        found.setdefault(name, value)
        found.setdefault(name.replace(" ", ""), value)
    return found


@cache
def likeness(name: str, names: str) -> float:
    """How much a column's name says that it is what `names` lists: 0 to 1."""
    spoken, listed = words(name), known(names)
    last = words(name.rsplit(".", 1)[-1])
    for text, worth in ((spoken, 1.0), (last, 0.9 if last != "id" else 0.3)):
        for form in (text, text.replace(" ", "")):
            if form in listed:
                return listed[form] * worth
    rest = [word for word in spoken.split() if word not in _EVERYWHERE.split()]
    if rest and rest not in (["id"], ["no"]) and " ".join(rest) in listed:
        return 0.75 * listed[" ".join(rest)]
    for prefix in _PREFIXES:
        if spoken.startswith(prefix) and spoken[len(prefix) :] in listed:
            return 0.75 * listed[spoken[len(prefix) :]]
    return 0.5 if _contained(spoken, listed) else 0.0


def _contained(spoken: str, listed: dict[str, float]) -> bool:
    """Does the name begin or end with a listed one, of five letters or two Chinese characters at least?"""
    for name in listed:
        if not name.isascii():
            if len(name) >= _SHORTEST_CHINESE and name in spoken:
                return True
        elif len(name) >= _SHORTEST and (spoken.startswith(f"{name} ") or spoken.endswith(f" {name}")):
            return True
    return False
