"""Standard forms: literal values from published examples, and what must hold for any text. No Spark here."""

import unicodedata

import pytest
from email_validator import validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms.sources.standard.agents import agent
from transforms.sources.standard.contacts import ASKED, contact
from transforms.sources.standard.countries import country
from transforms.sources.standard.divisions import Divisions, parse_divisions
from transforms.sources.standard.emails import address, mailbox, mailboxes
from transforms.sources.standard.names import Name, name
from transforms.sources.standard.phones import e164, numbers
from transforms.sources.standard.texts import features, language_of

# GB/T 2260 codes of the places below
CHINA = """code,name
110000,北京市
110100,市辖区
110105,朝阳区
110108,海淀区
150000,内蒙古自治区
150100,呼和浩特市
150105,赛罕区
220000,吉林省
220100,长春市
220104,朝阳区
220200,吉林市
220204,船营区
310000,上海市
310100,市辖区
310115,浦东新区
320000,江苏省
320100,南京市
330000,浙江省
330600,绍兴市
330681,诸暨市
410000,河南省
419000,省直辖县级行政区划
419001,济源市
422800,恩施土家族苗族自治州
420000,湖北省
440000,广东省
440300,深圳市
440305,南山区
500000,重庆市
500200,县
500233,忠县
210000,辽宁省
211300,朝阳市
"""


@pytest.fixture(scope="module")
def china() -> Divisions:
    return parse_divisions(CHINA, place="china.csv")


@pytest.mark.parametrize(
    ("written", "sent_to", "known_by"),
    [
        ("Ann.Lee+News@Example.COM", "ann.lee+news@example.com", "ann.lee+news@example.com"),
        # support.google.com/mail/answer/7436150: dots do not matter in Gmail addresses
        ("John.Smith@gmail.com", "john.smith@gmail.com", "johnsmith@gmail.com"),
        ("j.o.h.n.s.m.i.t.h+shop@GoogleMail.com", "j.o.h.n.s.m.i.t.h+shop@googlemail.com", "johnsmith@gmail.com"),
        ("john.smith+x@outlook.com", "john.smith+x@outlook.com", "john.smith@outlook.com"),
        ("john.smith+x@yahoo.com", "john.smith+x@yahoo.com", "john.smith+x@yahoo.com"),
        ("ａｎｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ann@example.com", "ann@example.com"),
        # RFC 3492 and 5891: an A-label and its U-label are one name
        ("info@xn--mnchen-3ya.de", "info@münchen.de", "info@münchen.de"),
        ("info@MÜNCHEN.de", "info@münchen.de", "info@münchen.de"),
        (" Ann Lee <ann@x.org> ", "ann@x.org", "ann@x.org"),
        ("mailto:ann@x.org", "ann@x.org", "ann@x.org"),
        ("+tag@gmail.com", "+tag@gmail.com", "+tag@gmail.com"),
        ("a..b@x.org", None, None),
        ("ann@localhost", None, None),
        ("ann@192.168.0.1", None, None),
        ("n/a", None, None),
    ],
)
def test_emails(written: str, sent_to: str | None, known_by: str | None) -> None:
    assert (address(written), mailbox(written)) == (sent_to, known_by)


_ADDRESSES = st.from_regex(r"[A-Za-z0-9._+'-]{1,8}@[A-Za-z0-9.ü-]{1,8}\.[A-Za-z]{1,6}", fullmatch=True)


@given(st.one_of(_ADDRESSES, st.text()))
@settings(max_examples=300, deadline=None)
def test_an_email_in_standard_form_stays_and_is_what_the_library_says(text: str) -> None:
    found, known_by = address(text), mailbox(text)
    assert address(found) == found
    assert mailbox(known_by) == known_by == mailbox(found)
    if found:
        assert validate_email(found, check_deliverability=False).normalized == found


def test_several_identifiers_of_a_record_are_each_there_once() -> None:
    assert mailboxes(["B@x.org", None, "a.a+1@gmail.com", "aa@googlemail.com", "?"]) == ["aa@gmail.com", "b@x.org"]
    # the examples of libphonenumber's README
    assert numbers(["044 668 18 00", "+41446681800", "044 668"], "CH") == ["+41446681800"]
    assert numbers(None, "CH") == mailboxes(None) == []
    assert e164("044 668 18 00", None) is None


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (("Dr. Juan Q. Xavier de la Vega III", None, None, None), ("Juan Q. Xavier de la Vega III", None, None)),
        (("O'NEIL, SHANNON", None, None, "US"), ("Shannon O'Neil", "Shannon", "O'Neil")),
        (("mcdonald, ronald", None, None, "US"), ("Ronald McDonald", "Ronald", "McDonald")),
        (("VAN DER BERG, JAN", None, None, "NL"), ("Jan van der Berg", "Jan", "van der Berg")),
        (("Jan van der Berg", None, None, "NL"), ("Jan van der Berg", "Jan", "van der Berg")),
        (("anna-maria müller-lüdenscheidt", None, None, "DE"),
         ("Anna-Maria Müller-Lüdenscheidt", "Anna-Maria", "Müller-Lüdenscheidt")),
        (("MARIA MACHADO", None, None, "BR"), ("Maria Machado", "Maria", "Machado")),
        (("J.R. TOLKIEN", None, None, "GB"), ("J.R. Tolkien", "J.R.", "Tolkien")),
        (("Prince Rogers Nelson", None, None, "US"), ("Prince Rogers Nelson", None, None)),
        # two family names or two given ones: nobody can tell
        (("Juan García López", None, None, "ES"), ("Juan García López", None, None)),
        (("Nguyen An", None, None, "VN"), ("Nguyen An", None, None)),
        ((None, "DR. ANN", "O'NEIL", "US"), ("Ann O'Neil", "Ann", "O'Neil")),
        ((None, "Ann", None, "US"), (None, "Ann", None)),
        (("Ann Smith", "Anna", None, "US"), ("Ann Smith", "Anna", "Smith")),  # what the source says stays
        (("李\u3000雷", None, None, "CN"), ("李雷", "雷", "李")),
        (("欧阳娜娜", None, None, "CN"), ("欧阳娜娜", "娜娜", "欧阳")),
        (("欧阳", None, None, "CN"), ("欧阳", None, None)),
        (("司马 光", None, None, None), ("司马光", "光", "司马")),
        ((None, "雷", "李", "CN"), ("李雷", "雷", "李")),
        (("李雷", None, "李", "CN"), ("李雷", "雷", "李")),
        # what stands in a column of its own is that part, and a whole made of it alone has no other: An and Wang are
        # family names too
        ((None, "安平", None, "CN"), (None, "安平", None)),
        (("安平", "安平", None, "CN"), ("安平", "安平", None)),
        (("安 平", "安平", None, "CN"), ("安平", "安平", None)),
        (("小明", "明", None, "CN"), ("小明", "明", None)),
        (("王安平", "安平", None, "CN"), ("王安平", "安平", "王")),
        (("欧阳", None, "欧阳", "CN"), ("欧阳", None, "欧阳")),
        (("MARY ANN", "Mary Ann", None, "US"), ("Mary Ann", "Mary Ann", None)),
        (("Lee Cooper", None, "LEE COOPER", "US"), ("Lee Cooper", None, "Lee Cooper")),
        (("阿凡提·买买提", None, None, "CN"), ("阿凡提·买买提", None, None)),
        (("山田 太郎", None, None, "JP"), ("山田 太郎", None, None)),
        (("김철수", None, None, "KR"), ("김철수", None, None)),
        (("ＪＯＨＮ　ＳＭＩＴＨ", None, None, "US"), ("John Smith", "John", "Smith")),
        (("N/A", "-", "", None), (None, None, None)),
    ],
)  # fmt: skip
def test_names(given_: tuple[str | None, str | None, str | None, str | None], expected: Name) -> None:
    assert name(*given_) == expected


_WORDS = st.sampled_from(
    (
        "Ann",
        "ANN",
        "lee",
        "O'NEIL",
        "mcdonald",
        "van",
        "DER",
        "Müller-Lüdenscheidt",
        "Dr.",
        "Smith,",
        "李",
        "欧阳",
        "娜娜",
    )
)
_NAMES = st.one_of(st.none(), st.lists(_WORDS, max_size=4).map(" ".join))


@example(None, "van van", "van van", None)
@example("Dr. van", None, None, None)
@example("Dr. von Humboldt", None, None, None)
@example("van morrison", None, None, None)
@given(_NAMES, _NAMES, _NAMES, st.sampled_from([None, "CN", "JP", "US"]))
@settings(max_examples=300, deadline=None)
def test_a_name_in_standard_form_stays(
    full: str | None, first: str | None, last: str | None, where: str | None
) -> None:
    told = name(full, first, last, where)
    assert name(*told, where) == told


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("DE", "de DEU Deutschland Allemagne 德国 Германия Alemania"),
        ("GB", "UK England GBR Großbritannien 英国"),
        ("US", "U.S.A. usa États-Unis 美国 アメリカ合衆国"),
        ("CN", "中国 中华人民共和国 China CHN"),
        ("CI", "CIV Côte-d'Ivoire cote-d’ivoire Elfenbeinküste"),
        (None, "XX Atlantis ? Korea"),
    ],
)
def test_countries(code: str | None, written: str) -> None:
    assert {text: country(text) for text in written.split()} == dict.fromkeys(written.split(), code)


@pytest.mark.parametrize(
    ("street", "expected"),
    [
        ("广东省深圳市南山区科技路1号", ("广东省", "深圳市", "南山区", "科技路1号")),
        ("广东深圳", ("广东省", "深圳市", None, None)),
        ("上海市浦东新区世纪大道1号", ("上海市", "上海市", "浦东新区", "世纪大道1号")),
        ("中国北京市北京市海淀区花园路", ("北京市", "北京市", "海淀区", "花园路")),
        ("内蒙古呼和浩特市赛罕区", ("内蒙古自治区", "呼和浩特市", "赛罕区", None)),
        ("湖北恩施清江路", ("湖北省", "恩施土家族苗族自治州", None, "清江路")),
        ("浙江省诸暨市暨阳街道", ("浙江省", "绍兴市", "诸暨市", "暨阳街道")),  # 330681 is Shaoxing's
        ("浦东新区世纪大道1号", ("上海市", "上海市", "浦东新区", "世纪大道1号")),
        ("河南省济源市", ("河南省", "济源市", None, None)),
        ("重庆市忠县", ("重庆市", "重庆市", "忠县", None)),
        ("吉林市船营区", ("吉林省", "吉林市", "船营区", None)),
        ("吉林长春朝阳区", ("吉林省", "长春市", "朝阳区", None)),
        ("朝阳区三元桥", (None, None, None, "朝阳区三元桥")),  # Beijing's or Changchun's
        ("南京西路100号", (None, None, None, "南京西路100号")),  # a street in Shanghai
        ("北京朝阳门内大街", ("北京市", "北京市", None, "朝阳门内大街")),  # lies in another district
        ("广东省海淀区1号", ("广东省", None, None, "海淀区1号")),  # not in that province
    ],
)
def test_chinese_addresses(china: Divisions, street: str, expected: tuple[str | None, ...]) -> None:
    assert china.place(None, None, None, street) == expected
    assert china.place(*expected) == expected


def test_what_the_columns_say_of_an_address_comes_first(china: Divisions) -> None:
    assert china.place("广东", "深圳", None, "南山区科技路") == ("广东省", "深圳市", "南山区", "科技路")
    assert china.place("广东", "深圳", None, "北京市海淀区1号") == ("广东省", "深圳市", None, "北京市海淀区1号")
    assert china.place("Guangdong", None, None, "深圳市1号") == ("Guangdong", "深圳市", None, "1号")
    assert china.place(None, "广东省深圳市", None, None) == ("广东省", "深圳市", None, None)


@pytest.mark.parametrize(
    ("text", "device"),
    [
        # developer.mozilla.org, developer.chrome.com and developers.google.com: documented agents
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:124.0) Gecko/20100101 Firefox/124.0",
         ("Windows", "Firefox", "desktop", False)),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 "
         "Safari/605.1.15", ("macOS", "Safari", "desktop", False)),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
         "CriOS/123.0.6312.52 Mobile/15E148 Safari/604.1", ("iOS", "Chrome", "mobile", False)),
        ("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Mobile "
         "Safari/537.36", ("Android", "Chrome", "mobile", False)),
        ("Mozilla/5.0 (iPad; CPU OS 16_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.5 "
         "Mobile/15E148 Safari/604.1", ("iOS", "Safari", "tablet", False)),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 "
         "Safari/537.36 Edg/122.0.0.0", ("Windows", "Edge", "desktop", False)),
        ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", (None, "Googlebot", "bot", True)),
        ("curl/8.5.0", (None, "curl", "bot", True)),
        ("-", (None, None, None, False)),
        (None, (None, None, None, None)),
    ],
)  # fmt: skip
def test_agents(text: str | None, device: tuple[str | None, ...]) -> None:
    assert agent(text) == device


@pytest.mark.parametrize(
    ("language", "text"),
    [
        # Universal Declaration of Human Rights, article 1
        ("en", "All human beings are born free and equal in dignity and rights."),
        ("de", "Alle Menschen sind frei und gleich an Würde und Rechten geboren."),
        ("fr", "Tous les êtres humains naissent libres et égaux en dignité et en droits."),
        ("es", "Todos los seres humanos nacen libres e iguales en dignidad y derechos."),
        ("it", "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti."),
        ("nl", "Alle mensen worden vrij en gelijk in waardigheid en rechten geboren."),
        ("ru", "Все люди рождаются свободными и равными в своем достоинстве и правах."),
        ("zh", "人人生而自由，在尊严和权利上一律平等。"),
        ("ja", "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"),
        ("ko", "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다."),
        (None, "ok"),
        (None, "https://example.org/all-human-beings @ann #free"),
        (None, "xq zzkw 12345 qpwv jjkd"),
    ],
)
def test_languages(language: str | None, text: str) -> None:
    assert language_of(text) == language


def test_only_english_has_a_mood() -> None:
    # the example of VADER's README, and its score there
    assert features("VADER is smart, handsome, and funny.", "en") == ("en", 0.8316)
    assert features("Ein wirklich ganz wunderbares Geschäft", None) == ("de", None)
    assert features(None, "en") == (None, None)


@given(st.lists(st.one_of(st.none(), st.text(max_size=30)), min_size=len(ASKED), max_size=len(ASKED)), st.text())
@settings(max_examples=200, deadline=None)
def test_no_text_raises(china: Divisions, asked: list[str | None], text: str) -> None:
    told = contact(china, *asked)
    assert all(value is None or value for value in told), "an empty text says nothing: it is NULL"
    assert told.full_name is None or unicodedata.is_normalized("NFC", told.full_name)
    assert agent(text).is_bot in (None, False, True)
    assert features(text, None)[0] is None or text
