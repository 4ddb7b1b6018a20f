/** Our texts in the page's language, and how it writes times. The server puts them in the page as JSON. */

export interface TextData {
  /** The language of the texts, which is English where we have none in the live blog's own. */
  locale: string;
  dates: Record<string, string>;
  status: Record<string, string>;
  reader: Record<string, string | Record<string, string>>;
  /** Attributes of an element with one of our texts: `lang` and `dir` where the live blog is in another language. */
  attributes: Attributes;
}

export interface Attributes {
  lang?: string;
  dir?: string;
}

type PluralName =
  "viewers" | "new_entries" | "see_new_entries" | "since_entries" | "since_key_events" | "since_corrections";

/** The lengths of the hours that a change of clocks repeats: half an hour on Lord Howe Island, an hour elsewhere. */
const REPEATS_MS = [-60, -30, 30, 60].map((minutes) => minutes * 60_000);

export class Texts {
  readonly #data: TextData;
  readonly #plural: Intl.PluralRules;
  readonly #number: Intl.NumberFormat;
  readonly #formats = new Map<string, Intl.DateTimeFormat>();

  constructor(data: TextData) {
    this.#data = data;
    this.#plural = new Intl.PluralRules(data.locale);
    this.#number = new Intl.NumberFormat(data.locale);
  }

  get attributes(): Attributes {
    return this.#data.attributes;
  }

  text(name: string): string {
    const text = this.#data.reader[name];
    return typeof text === "string" ? text : "";
  }

  /** The text, its `{placeholders}` replaced. */
  fill(name: string, values: Record<string, string>): string {
    return fill(this.text(name), values);
  }

  status(status: string): string {
    return this.#data.status[status] ?? status;
  }

  plural(name: PluralName, count: number): string {
    const forms = this.#data.reader[name];
    if (typeof forms !== "object") {
      return "";
    }
    return fill(forms[this.#plural.select(count)] ?? forms.other ?? "", { count: this.#number.format(count) });
  }

  /** The time of day: `14 h 07`. `moment` is RFC 3339. */
  time(moment: string, timezone: string): string {
    const time = this.#clock(Date.parse(moment), timezone);
    // An hour that a change of clocks repeats is told with its offset.
    const twice = REPEATS_MS.some((ms) => this.#clock(Date.parse(moment) + ms, timezone) === time);
    return twice ? fill(this.#data.dates.repeated ?? "", { time, offset: this.#offset(moment, timezone) }) : time;
  }

  #clock(moment: number, timezone: string): string {
    const { hour, minute } = this.#parts(moment, timezone);
    return fill(this.#data.dates.time ?? "", { h: String(Number(hour)), hh: hour, mm: minute });
  }

  #offset(moment: string, timeZone: string): string {
    const format = new Intl.DateTimeFormat("en", { timeZone, timeZoneName: "shortOffset" });
    const name = format.formatToParts(Date.parse(moment)).find(({ type }) => type === "timeZoneName")?.value ?? "";
    return (name.slice("GMT".length) || "+0").replace("-", "\u2212");
  }

  /** Day and time in short: `22 nov. à 14 h 07`. */
  dateTime(moment: string, timezone: string): string {
    const { day, month } = this.#parts(Date.parse(moment), timezone);
    const { dates } = this.#data;
    const date = fill(dates.short_date ?? "", {
      day: day === "1" ? (dates.first_day ?? day) : day,
      month_short: month,
    });
    return fill(dates.short_date_time ?? "", { date, time: this.time(moment, timezone) });
  }

  /** A text that says when: with the time alone, by the name `name_today`, on the zone's calendar day. */
  when(name: string, moment: string, timezone: string): string {
    return this.day(moment, timezone) === this.day(new Date().toISOString(), timezone)
      ? this.fill(`${name}_today`, { time: this.time(moment, timezone) })
      : this.fill(name, { when: this.dateTime(moment, timezone) });
  }

  /** The calendar day in the zone, as a word that compares equal for moments of the same day. */
  day(moment: string, timezone: string): string {
    const { year, month, day } = this.#parts(Date.parse(moment), timezone);
    return `${year} ${month} ${day}`;
  }

  #parts(moment: number, timeZone: string): Record<"year" | "month" | "day" | "hour" | "minute", string> {
    const parts = { year: "", month: "", day: "", hour: "", minute: "" };
    for (const { type, value } of this.#format(timeZone).formatToParts(moment)) {
      if (type in parts) {
        parts[type as keyof typeof parts] = value;
      }
    }
    return parts;
  }

  #format(timeZone: string): Intl.DateTimeFormat {
    let format = this.#formats.get(timeZone);
    if (format === undefined) {
      format = new Intl.DateTimeFormat(this.#data.locale, {
        timeZone,
        year: "numeric",
        month: "short",
        day: "numeric",
        hour: "2-digit",
        minute: "2-digit",
        hourCycle: "h23",
        numberingSystem: "latn",
      });
      this.#formats.set(timeZone, format);
    }
    return format;
  }
}

function fill(pattern: string, values: Record<string, string>): string {
  return pattern.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}
