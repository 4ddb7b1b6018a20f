"""A French live blog as newsrooms write them, with what goes wrong on the way of such a text: narrow and no-break
spaces, curly and straight quotes, a missing space, ligatures, a decomposed accent, an ampersand, a character outside
the Basic Multilingual Plane. The island and all on it are invented."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

LIVEBLOG = {
    "slug": "eruption-du-sauvelle",
    "title": "Éruption du Sauvelle : l’île d’Orvane se réveille sous la cendre",
    "summary": "Environ 1.100 habitants ont quitté les hauteurs de l’île depuis dimanche soir ; l’aéroport reste "
    "fermé.",
    "language": "fr",
    "timezone": "Europe/Paris",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: what is published, and what readers must see of it."""

    paragraphs: tuple[str, ...]
    """Plain text."""
    heading: str | None = None
    authors: tuple[str, ...] = ()
    key_event: bool = False
    pinned: bool = False
    verification: str | None = None
    source: str | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The body of `POST …/entries`."""
        return {
            "heading": self.heading,
            "body": "".join(f"<p>{escape(paragraph, quote=False)}</p>" for paragraph in self.paragraphs),
            "authors": list(self.authors),
            "key_event": self.key_event,
            "pinned": self.pinned,
            "verification": self.verification,
            "source": self.source,
        }


ENTRIES = (
    Item(
        (
            "Bonjour et bienvenue dans ce direct\u00a0: nous suivrons ici, minute par minute, l’éruption du "
            "Sauvelle et ses conséquences sur l’île d’Orvane.",
        ),
    ),
    Item(
        (
            "Le volcan, silencieux depuis cent quarante ans, s’est réveillé dimanche à 22\u00a0h\u00a041. Une fissure "
            "longue de 600\u00a0mètres s’est ouverte sur son flanc nord, au-dessus du hameau des Œillères.",
            "«\u202fNous avons d’abord cru à un orage, puis le ciel est devenu rouge\u202f», raconte une "
            "habitante, jointe par téléphone. «\u202fEn dix minutes, toute la rue était dehors\u202f!\u202f»",
        ),
        heading="Une fissure ouverte sur le flanc nord",
        authors=("Solène Kervadec", "Hugo Maillebois"),
    ),
    Item(
        (
            "Environ 1.100 personnes ont été évacuées dans la nuit vers les deux gymnases de Port-Lannec, selon "
            "la préfète d’Orvane. Aucun blessé n’est à déplorer.",
            "“Il n’y a pas lieu de s’affoler, mais personne ne doit remonter chercher ses affaires”, a-t-elle "
            "insisté lors d’un point de presse.",
        ),
        heading="1.100 HABITANTS ÉVACUÉS",
        key_event=True,
        pinned=True,
        verification="confirmed",
        source="préfecture d’Orvane",
    ),
    Item(
        (
            "« Quiconque franchira le cordon sera reconduit, aussi pressé soit-il. »a prévenu le commandant des "
            "pompiers, en commentant les images d’un groupe de randonneurs filmé ce matin à moins d’un kilomètre "
            "de la coulée.",
        ),
    ),
    Item(
        (
            "Une vidéo, vue plus de 2\u202f300\u202f000 fois en six heures, montrerait la coulée entrant dans le "
            "port. Nous n’avons pas pu établir où ni quand elle a été tournée\u00a0; la digue que l’on y voit "
            "n’est pas celle de Port-Lannec.",
        ),
        heading="Que montre la vidéo du port\u202f?",
        verification="unverified",
        source="réseaux sociaux",
    ),
    Item(
        (
            "L’aéroport restera fermé «\u202fau moins jusqu’à mardi, 6\u00a0heures\u202f» : 41\u00a0vols sont "
            "annulés. La compagnie Air Orvane & Archipel rembourse les billets sans frais – comptez de 5 à "
            "7\u00a0jours.",
            "Le ferry de 18\u00a0h\u00a030 partira, lui, à l’heure\u2026 et complet.",
        ),
        heading="L’aéroport fermé jusqu’à mardi",
        key_event=True,
        authors=("Solène Kervadec",),
    ),
    Item(
        (
            "Le magma monterait à la vitesse de 0,4\u00a0m/s, soit < 2\u00a0km/h : “un rythme de promenade”, dit "
            "le volcanologue Aurélien Dastrevigne, de l’observatoire du Sauvelle. Le panache culmine à 4.800 mètres.",
        ),
        verification="claimed",
        source="observatoire du Sauvelle",
    ),
    Item(
        (
            # The accents of « café » and « école » are decomposed, as some keyboards and files have them.
            "Au cafe\u0301 des Halles, transformé en cantine, on a servi 860\u00a0repas à midi. L’e\u0301cole "
            "rouvrira jeudi.",
            "👉 Pour proposer un hébergement : 02\u00a055\u00a001\u00a002\u00a003 (appel non surtaxé).",
        ),
        heading="La solidarité s’organise",
        authors=("Hugo Maillebois",),
    ),
)

EDITED = Item(
    (
        "L’aéroport restera fermé «\u202fau moins jusqu’à mercredi, 6\u00a0heures\u202f» : 57\u00a0vols sont "
        "annulés, et non 41 comme nous l’écrivions.",
    ),
    heading="L’aéroport fermé jusqu’à mercredi",
    key_event=True,
    authors=("Solène Kervadec",),
)
"""The fates of the sixth entry."""

CORRECTION = "Le nombre de vols annulés est de 57, et non de 41."
