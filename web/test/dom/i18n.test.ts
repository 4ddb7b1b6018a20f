import { afterEach, describe, expect, it, vi } from "vitest";

import { Texts } from "../../src/dom/i18n.js";
import { TEXTS } from "../samples.js";

const texts = new Texts(TEXTS);
const PARIS = "Europe/Paris";

afterEach(() => {
  vi.useRealTimers();
});

describe("times", () => {
  it("are those of the live blog's zone, in the language's own manner", () => {
    expect(texts.time("2026-11-22T08:07:00.000Z", PARIS)).toBe("9\u00a0h\u00a007");
    expect(texts.time("2026-07-22T22:30:00.000Z", PARIS)).toBe("0\u00a0h\u00a030");
    expect(texts.dateTime("2026-11-22T08:07:00.000Z", PARIS)).toBe("22\u00a0nov. à 9\u00a0h\u00a007");
    expect(texts.dateTime("2026-10-31T23:30:00.000Z", PARIS)).toBe("1er\u00a0nov. à 0\u00a0h\u00a030");
  });

  it("of an update are told without the day on the day itself, which is the zone's", () => {
    const updated = (now: string): string => {
      vi.useFakeTimers({ now: new Date(now) });
      return texts.when("updated", "2026-11-22T08:07:00.000Z", PARIS);
    };
    expect(updated("2026-11-21T23:00:00.000Z")).toBe("Mis à jour à 9\u00a0h\u00a007");
    expect(updated("2026-11-22T22:59:59.999Z")).toBe("Mis à jour à 9\u00a0h\u00a007");
    expect(updated("2026-11-22T23:00:00.000Z")).toBe("Mis à jour le 22\u00a0nov. à 9\u00a0h\u00a007");
    expect(updated("2027-11-22T09:00:00.000Z")).toBe("Mis à jour le 22\u00a0nov. à 9\u00a0h\u00a007");
  });

  it("that a change of clocks repeats are told with their offset", () => {
    const at = (moment: string, zone: string): string => texts.time(moment, zone);
    expect(["00:30", "01:30", "02:30"].map((time) => at(`2026-10-25T${time}:00Z`, PARIS))).toEqual([
      "2\u00a0h\u00a030 (UTC+2)",
      "2\u00a0h\u00a030 (UTC+1)",
      "3\u00a0h\u00a030",
    ]);
    expect(at("2026-11-01T06:30:00Z", "America/New_York")).toBe("1\u00a0h\u00a030 (UTC\u22125)");
    expect(at("2026-04-04T15:15:00Z", "Australia/Lord_Howe")).toBe("1\u00a0h\u00a045 (UTC+10:30)");
  });

  it("fall on the day of the zone", () => {
    expect(texts.day("2026-11-21T23:30:00.000Z", PARIS)).toBe(texts.day("2026-11-22T08:00:00.000Z", PARIS));
    expect(texts.day("2026-11-21T23:30:00.000Z", "UTC")).not.toBe(texts.day("2026-11-22T08:00:00.000Z", "UTC"));
  });
});

describe("texts", () => {
  it("take the plural form of the language: in French, nothing is singular", () => {
    expect([0, 1, 2].map((count) => texts.plural("viewers", count))).toEqual(["0 lecteur", "1 lecteur", "2 lecteurs"]);
    expect(texts.plural("viewers", 12_345)).toBe("12\u202f345 lecteurs");
    expect(texts.plural("viewers", 1_000_000)).toBe("1\u202f000\u202f000 lecteurs");
  });

  it("are empty where the page has none", () => {
    expect(texts.text("nothing")).toBe("");
    expect(texts.text("viewers")).toBe("");
    expect(texts.status("live")).toBe("En direct");
    expect(texts.status("other")).toBe("other");
  });
});
