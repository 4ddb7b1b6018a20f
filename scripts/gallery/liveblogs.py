"""The live blogs that the pictures show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from newsroom import BEGIN

from liveserver.cli.demo.script import load

if TYPE_CHECKING:
    from datetime import datetime

    from newsroom import Gallery

ARABIC = {
    "slug": "fayadan",
    "title": "فيضان نهر السالمية: السكان يعودون إلى منازلهم",
    "summary": "انحسرت المياه عن وسط المدينة منذ الفجر، وبقيت ثلاثة جسور مغلقة أمام السيارات.",
    "language": "ar",
    "timezone": "Asia/Amman",
    "status": "live",
}
ARABIC_ENTRIES: list[dict[str, Any]] = [
    {"body": "<p>أهلا بكم في هذه التغطية المباشرة. نتابع هنا عودة السكان إلى الأحياء القريبة من النهر.</p>"},
    {
        "heading": "المدارس تبقى مغلقة حتى الأحد",
        "body": "<p>قالت البلدية إن المدارس في الأحياء الثلاثة ستبقى مغلقة حتى صباح الأحد.</p>",
        "verification": "confirmed",
        "source": "البلدية",
        "key_event": True,
    },
    {
        "heading": "هل انهار الجسر القديم؟",
        "body": "<p>تتداول صفحات كثيرة صورة لجسر منهار. الصورة قديمة، والجسر قائم كما شاهده مراسلنا.</p>",
        "verification": "denied",
        "source": "دائرة الطرق",
        "tags": ["الجسر"],
    },
    {
        "heading": "المياه تنحسر في وسط المدينة",
        "body": "<p>انخفض منسوب النهر أربعين سنتيمترا خلال الليل، وعادت الكهرباء إلى معظم الشوارع.</p>"
        "<blockquote><p>نظفنا الدكان منذ الفجر، وغدا نفتح الباب كعادتنا.</p>"
        "<cite>صاحب دكان في السوق</cite></blockquote>",
        "authors": ["ليلى الحداد"],
        "key_event": True,
    },
]
COUNCIL = {
    "title": "Budget de la digue\u00a0: le conseil de Port-Vésane se prononce",
    "language": "fr",
    "timezone": "Europe/Paris",
}
COUNCIL["summary"] = (
    "Onze millions d’euros sur six ans\u00a0: les élus votent ce soir. La séance s’ouvre à 20\u00a0heures."
)


ids: dict[str, str] = {}
"""The ids of entries that the pictures' states need, by a name that the states know."""


def furnish(gallery: Gallery) -> datetime:
    """Create the live blogs that several pictures show. Returns the time at which the pictures are to be taken."""
    gallery.storm(
        "tempete-ysaline-fin", None, status="ended", title="Tempête Ysaline\u00a0: récit d’une nuit de grande marée"
    )
    for entry in gallery.send("GET", "/liveblogs/tempete-ysaline-fin/entries?limit=100")["items"]:
        if entry["heading"] and "chalutier en difficulté" in entry["heading"]:
            ids["fin:chalutier"] = entry["id"]
    gallery.at(BEGIN)
    gallery.send("POST", "/liveblogs", json={**COUNCIL, "slug": "conseil", "status": "live"})
    gallery.send("POST", "/liveblogs", json={**COUNCIL, "slug": "conseil-a-venir", "status": "upcoming"})
    gallery.send("POST", "/liveblogs", json=ARABIC)
    for entry in ARABIC_ENTRIES:
        gallery.later(minutes=13)
        gallery.publish("fayadan", entry)
    gallery.edit(
        "fayadan",
        gallery.publish("fayadan", {"body": "<p>فتح جسر السوق أمام المشاة عند الساعة السابعة.</p>"}),
        correction="فتح الجسر عند السابعة لا عند السادسة.",
    )
    furnish_images(gallery)
    ids.update(gallery.storm("tempete-ysaline", 30))
    return gallery.later(minutes=1)


def furnish_images(gallery: Gallery) -> None:
    """Create a live blog whose entries have pictures, a quotation and a video."""
    gallery.send(
        "POST", "/liveblogs", json={**load().liveblog, "slug": "images", "title": "La tempête en images", "summary": ""}
    )
    first, second, third = (gallery.upload(number, "La mer devant le phare des Trois-Moines") for number in range(3))
    gallery.later(minutes=5)
    gallery.publish("images", {"body": "<p>Nos journalistes et leurs lecteurs ont photographié la mer.</p>"})
    gallery.later(minutes=7)
    body = (
        "<p>La bouée du plateau des Trois-Moines mesure des creux de 9\u00a0mètres.</p>"
        "<p>https://youtu.be/aqz-KE-bpKQ</p><p>Les images sont de la fin de l’après-midi.</p>"
    )
    ids["video"] = gallery.publish(
        "images", {"heading": "La houle vue du sémaphore", "body": body, "authors": ["Maëlle Rostandier"]}
    )
    gallery.later(minutes=6)
    body = (
        f'<figure class="gallery">{first}{second}{third}'
        "<figcaption>La même heure, vue de trois fenêtres.</figcaption></figure>"
        '<figure class="quote"><blockquote><p>Ce n’est pas le vent qui fait peur, on le connaît\u202f; '
        "c’est le bruit des galets.</p></blockquote><figcaption>Odile Marchadour, 71\u00a0ans</figcaption></figure>"
    )
    ids["images"] = gallery.publish(
        "images",
        {
            "heading": "À Brélande, trois fenêtres sur la mer",
            "body": body,
            "authors": ["Idris Bellavoine"],
            "tags": ["Brélande"],
        },
    )
    gallery.later(minutes=4)
    body = (
        "<p>Le phare des Trois-Moines éclaire de nouveau, trois éclats toutes les douze secondes.</p>"
        f"{second}<p>Il n’est plus habité depuis des années.</p>"
    )
    ids["image"] = gallery.publish(
        "images",
        {
            "heading": "Le phare s’est rallumé",
            "body": body,
            "key_event": True,
            "verification": "confirmed",
            "source": "capitainerie",
        },
    )
