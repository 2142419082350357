"""What people say about a grocer, by language and topic: good, middling and bad."""

TOPICS = ("delivery", "fresh produce", "prices", "service", "bakery", "app")
TEXTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "en": (
        (
            "Delivery came an hour early, brilliant! 🚚",
            "My order is late again. Third time this month.",
            "Ordered online, let's see.",
        ),
        (
            "The strawberries are wonderful this week 🍓",
            "Brown lettuce two days before its date. Disappointing.",
            "Which day do they restock?",
        ),
        (
            "Great deals on coffee, filled the cart.",
            "Everything got more expensive, I'm out.",
            "Comparing prices with the other store.",
        ),
        (
            "Thank you to the lady at checkout 4, so kind!",
            "Waited 25 minutes in line, one till open.",
            "New opening hours from Monday.",
        ),
        ("Best sourdough in town, love it ❤️", "Stale rolls, never again.", "They have rye bread now."),
        ("New app is fast and easy, well done.", "App crashes whenever I pay. Terrible!", "Updated the app today."),
    ),
    "de": (
        (
            "Lieferung pünktlich und alles frisch, super!",
            "Schon wieder zu spät geliefert, ärgerlich.",
            "Heute zum ersten Mal online bestellt.",
        ),
        ("Das Obst ist diese Woche wirklich toll 🍎", "Der Salat war welk, schade.", "Wann kommt neue Ware?"),
        ("Tolle Angebote beim Kaffee!", "Alles wird teurer, unverschämt.", "Vergleiche gerade die Preise."),
        (
            "Sehr freundliche Kassiererin, danke!",
            "Eine Kasse offen, 20 Minuten gewartet. Schlecht.",
            "Neue Öffnungszeiten ab Montag.",
        ),
        ("Bestes Brot der Stadt ❤️", "Die Brötchen waren alt.", "Jetzt gibt es auch Roggenbrot."),
        ("Die neue App ist schnell und einfach.", "App stürzt beim Bezahlen ab, furchtbar!", "App aktualisiert."),
    ),
    "fr": (
        ("Livraison parfaite, merci !", "Encore en retard, c'est nul.", "Première commande en ligne."),
        ("Les fraises sont délicieuses 🍓", "Salade fanée, très déçue.", "Quel jour sont-ils réapprovisionnés ?"),
        ("Super promos sur le café !", "Tout augmente, c'est scandaleux.", "Je compare les prix."),
        ("Caissière adorable, merci beaucoup !", "Vingt minutes d'attente, inadmissible.", "Nouveaux horaires lundi."),
        ("Le meilleur pain de la ville ❤️", "Pain rassis, plus jamais.", "Ils ont du pain de seigle."),
        ("L'appli est rapide et simple, bravo.", "L'appli plante au paiement, horrible !", "Appli mise à jour."),
    ),
    "es": (
        ("¡Entrega rapidísima, genial!", "Otra vez tarde, qué mal.", "Mi primer pedido en línea."),
        ("Las fresas están riquísimas 🍓", "Lechuga marchita, decepcionante.", "¿Qué día reponen?"),
        ("¡Muy buenas ofertas de café!", "Todo más caro, una vergüenza.", "Comparando precios."),
        ("La cajera fue muy amable, ¡gracias!", "Media hora en la cola, pésimo.", "Nuevo horario desde el lunes."),
        ("El mejor pan de la ciudad ❤️", "Pan duro, nunca más.", "Ya tienen pan de centeno."),
        ("La aplicación es rápida y fácil.", "La aplicación falla al pagar, ¡horrible!", "Aplicación actualizada."),
    ),
    "zh": (
        ("送货很快，非常满意！", "又迟到了，太失望了。", "第一次网上下单。"),
        ("这周的草莓特别新鲜🍓", "生菜都蔫了，质量很差。", "哪天补货？"),
        ("咖啡打折，太划算了！", "什么都涨价了，不买了。", "在比较价格。"),
        ("收银员态度很好，谢谢！", "排队二十分钟，服务太差。", "周一起营业时间有变。"),
        ("面包很好吃❤️", "面包不新鲜，再也不买了。", "现在有黑麦面包了。"),
        ("新的应用很好用，点赞👍", "付款时总是闪退，糟糕！", "今天更新了应用。"),
    ),
}
