"""Our own texts and date formats, in each language. `locales/` in this package has one file for each language."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, get_timezone_location, get_timezone_name
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from datetime import date

FALLBACK = "en"


class Translations:
    """Our texts in one language.

    A text is named by its table and its key in the language's file: `page.pinned`. `language`: the tag of the language
    of the texts. `wanted`: the language tag of the live blog. The languages differ if we have no texts in the live
    blog's language.
    """

    def __init__(self, language: str, tables: dict[str, dict[str, Any]], *, wanted: str) -> None:
        self.language = language
        """The language tag of the texts: the live blog's tag, perhaps without the region. If we have no texts in the
        live blog's language, it is `en`."""
        self.tables = tables
        self._wanted = wanted
        self.attributes: dict[str, str] = {}
        """The attributes `lang` and `dir` for an HTML element that contains one of our texts. Empty if our texts are in
        the live blog's language."""
        if _base(language) != _base(wanted):
            self.attributes = {"lang": language, "dir": text_direction(language)}
        self.mark = Markup("").join(Markup(' {}="{}"').format(*item) for item in self.attributes.items())
        """The attributes `lang` and `dir` as HTML, with a space before each one. Empty if `attributes` is empty."""
        self._locale = Locale.parse(language, sep="-")

    def text(self, name: str, **values: str) -> str:
        """Return a text of ours with `values` in place of its `{placeholders}`, as plain text, not escaped for HTML."""
        return self._pattern(name).format_map(values)

    def html(self, name: str, **values: str) -> Markup:
        """Return a text of ours as HTML, with `values` (plain text) in place of its `{placeholders}`.

        The values are in the live blog's language. If our text is in another language, each value is put into an
        element whose attribute `lang` names the live blog's language.
        """
        if self.attributes:
            theirs = Markup('<bdi lang="{}">{}</bdi>')
            values = {key: theirs.format(self._wanted, value) for key, value in values.items()}
        return escape(self._pattern(name)).format(**values)

    def verification(self, name: str, source: str | None = None) -> str:
        """Return the label of an entry's verification: `Démenti`. If the source of the claim is known, the label names
        it: `Démenti : état-major`. `name`: the verification as the entry has it, such as `denied`."""
        return self.text(f"entry.{name}_source", source=source) if source else self.text(f"entry.{name}")

    def labelled(self, label: str, text: str) -> str:
        """Return a label followed by a text: `Démenti : état-major – Le pont a cédé.`. If one of the two is empty,
        return the other."""
        return self.text("entry.labelled", label=label, text=text) if label and text else label or text

    def time(self, moment: datetime) -> str:
        """Return the hour and minute of a moment in its own time zone: `14 h 07`.

        If the clock shows this time twice on that day, because the clock is set back, the offset from UTC follows: `2 h
        30 (UTC+2)`.
        """
        if moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset():
            return self.text("dates.repeated", time=self._clock(moment), offset=_offset(moment))
        return self._clock(moment)

    def _clock(self, moment: datetime) -> str:
        return self.text("dates.time", h=str(moment.hour), hh=f"{moment.hour:02}", mm=f"{moment.minute:02}")

    def date(self, moment: datetime) -> str:
        """Return the date of a moment in full: `dimanche 22 novembre 2026`."""
        return self._day("dates.date", moment)

    def short_date(self, moment: datetime) -> str:
        """Return the date of a moment in short: `22 nov.`."""
        return self._day("dates.short_date", moment)

    def short_date_time(self, moment: datetime) -> str:
        """Return the date and time of a moment in short: `22 nov. à 14 h 07`."""
        return self.before_time(moment) + self.time(moment)

    def before_time(self, moment: datetime) -> str:
        """Return the part of `short_date_time` that comes before the time: `22 nov. à `."""
        return self.text("dates.short_date_time", date=self.short_date(moment), time="")

    def date_time(self, moment: datetime) -> str:
        """Return the date, time and zone of a moment: `lundi 1er juin 2026, 14 h 07 (heure d’été d’Europe centrale)`.

        The zone's name says whether it is summer time. So the result is unambiguous even when clocks are set back.
        """
        zone = _zone_name(self._locale, moment)
        return self.text("dates.date_time", date=self.date(moment), time=self._clock(moment), zone=zone)

    def zone(self, timezone: str) -> str:
        """Return the name of an IANA time zone for readers. It is the name of a city: `Paris` for `Europe/Paris`."""
        return get_timezone_location(timezone, locale=self._locale, return_city=True)

    def _pattern(self, name: str) -> str:
        table, key = name.split(".")
        pattern: str = self.tables[table][key]
        return pattern

    def _day(self, name: str, moment: datetime) -> str:
        return self.text(name, **_parts(self._locale, moment.date()), day=self._day_number(moment))

    def _day_number(self, moment: datetime) -> str:
        return self.text("dates.first_day") if moment.day == 1 else str(moment.day)


def _offset(moment: datetime) -> str:
    """Return the offset of a moment from UTC: `+2`, `−3:30`."""
    minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    hours, rest = divmod(abs(minutes), 60)
    return ("\u2212" if minutes < 0 else "+") + str(hours) + (f":{rest:02}" if rest else "")


@lru_cache(maxsize=1024)
def _parts(locale: Locale, day: date) -> dict[str, str]:
    """Return the parts of a date, as words in the locale's language: `weekday`, `month`, `month_short` and `year`.

    The words are cached: Babel is slow, and a page has the same few dates again and again.
    """
    patterns = {"weekday": "EEEE", "month": "MMMM", "month_short": "MMM"}
    names = {name: format_date(day, pattern, locale=locale) for name, pattern in patterns.items()}
    return {**names, "year": str(day.year)}


ZONE_NAMES_MAX = 1_024
_zone_names: dict[tuple[Locale, str, timedelta | None, bool], str] = {}
"""The cached names of time zones. The key: the locale, the zone, the offset from UTC, and whether summer time is in
force."""


def _zone_name(locale: Locale, moment: datetime) -> str:
    """Return the full name of a moment's time zone: `heure d’été d’Europe centrale`.

    The names are cached. Without the cache, Babel used a tenth of the time that rendering an entry needed.
    """
    key = (locale, str(moment.tzinfo), moment.utcoffset(), bool(moment.dst()))
    name = _zone_names.get(key)
    if name is None:
        if len(_zone_names) >= ZONE_NAMES_MAX:
            _zone_names.clear()
        name = _zone_names[key] = get_timezone_name(moment, width="long", locale=locale)
    return name


@lru_cache(maxsize=256)
def texts_for(language: str) -> Translations:
    """Return our texts for a language tag (BCP 47). If we have none for the tag, return our texts for the tag's
    language without the region. If we have none for this language, return our English texts.

    Even if the texts for `fr-CA` come from `fr.toml`, dates are written as in Canada.
    """
    for tag in (language, _base(language)):
        tables = _tables().get(tag.lower())
        if tables is not None:
            locale_tag = language if babel_locale(language) else tag
            return Translations(locale_tag, tables, wanted=language)
    return Translations(FALLBACK, _tables()[FALLBACK], wanted=language)


def read_languages() -> None:
    """Load Babel's data for each language that we have texts in. Loading takes some 20 ms for each language, so the
    server does it when it starts, before any request."""
    moment = datetime.now(UTC)
    for language in _tables():
        texts_for(language).date_time(moment)


def known_language(language: str | None) -> str | None:
    """Return the tag of the texts that we have for a language tag: `fr` for `fr` and for `FR-ca`.

    None if we have no texts in this language, or if `language` is None.
    """
    for tag in (language, _base(language)) if language is not None else ():
        if tag.lower() in _tables():
            return tag.lower()
    return None


def text_direction(language: str) -> str:
    """Return the direction of a language's script: `rtl` or `ltr`. It is `ltr` for an unknown language."""
    locale = babel_locale(language) or babel_locale(_base(language))
    return str(locale.text_direction) if locale else "ltr"


def babel_locale(language: str) -> Locale | None:
    """Return Babel's locale for a language tag (BCP 47); None if Babel has no such locale."""
    try:
        return Locale.parse(language, sep="-")
    except (ValueError, UnknownLocaleError):
        return None


def _base(language: str) -> str:
    return language.split("-")[0].lower()


@cache
def _tables() -> dict[str, dict[str, dict[str, Any]]]:
    locale_files = (files("liveserver.content") / "locales").iterdir()
    return {
        file.name.removesuffix(".toml").lower(): tomllib.loads(file.read_text("utf-8"))
        for file in locale_files
        if file.name.endswith(".toml")
    }
