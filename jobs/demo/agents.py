"""What browsers and robots called themselves in 2017, and where visits came from."""

BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/63.0.3239.84 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/62.0.3202.94 Safari/537.36",
    "Mozilla/5.0 (Windows NT 6.1; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/63.0.3239.84 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:57.0) Gecko/20100101 Firefox/57.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/58.0.3029.110 Safari/537.36 Edge/16.16299",
    "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_2) "
    "AppleWebKit/604.4.7 (KHTML, like Gecko) Version/11.0.2 Safari/604.4.7",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_13_2) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/63.0.3239.84 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/63.0.3239.84 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 11_2 like Mac OS X) AppleWebKit/604.4.7 (KHTML, like Gecko) Version/11.0 "
    "Mobile/15C114 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 10_3_3 like Mac OS X) AppleWebKit/603.3.8 (KHTML, like Gecko) Version/10.0 "
    "Mobile/14G60 Safari/602.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 11_1_2 like Mac OS X) "
    "AppleWebKit/604.1.34 (KHTML, like Gecko) CriOS/63.0.3239.73 Mobile/15B202 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 8.0.0; Pixel 2) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/63.0.3239.83 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 7.0; SM-G930V) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/62.0.3202.84 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 7.0; SAMSUNG SM-G950U) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/6.2 "
    "Chrome/56.0.2924.87 Mobile Safari/537.36",
    "Mozilla/5.0 (iPad; CPU OS 11_2 like Mac OS X) "
    "AppleWebKit/604.4.7 (KHTML, like Gecko) Version/11.0 Mobile/15C114 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 6.0.1; SM-T580) "
    "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/62.0.3202.84 Safari/537.36",
    "Mozilla/5.0 (Linux; U; Android 7.0; zh-cn; MI 5 Build/NRD90M) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 "
    "Chrome/53.0.2785.146 Mobile Safari/537.36 XiaoMi/MiuiBrowser/9.3.2",
)
TABLET = BROWSERS[15]
BOTS = (
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
    "Mozilla/5.0 (compatible; AhrefsBot/5.2; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; SemrushBot/1.2~bl; +http://www.semrush.com/bot.html)",
    "python-requests/2.18.4",
    "curl/7.54.0",
)
SITE = "https://shop.example.com"
# Entries stand as often as they are likely.
ENTRIES = (
    "-", "-", "-", "-", "https://www.google.com/", "https://www.google.com/", "https://www.google.com/",
    "https://www.bing.com/search?q=groceries", "https://m.facebook.com/", "https://www.baidu.com/link?url=a1b2",
    "https://mail.example.com/", "https://www.instagram.com/",
)  # fmt: skip
SEARCHES = (
    "milk", "organic+apples", "gluten+free", "coffee", "diapers", "cat+food", "wine", "frozen+pizza", "yogurt",
    "bread", "chicken", "ice+cream", "%E8%8C%B6", "%E9%85%B1%E6%B2%B9", "k%C3%A4se", "jam%C3%B3n", "fromage",
    "baby+wipes", "batteries",
)  # fmt: skip
