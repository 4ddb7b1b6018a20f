import { beforeEach, describe, expect, it } from "vitest";

import { arrange, arrangeKeyEvents, currentArticle, parseArticle, shownArticles } from "../../src/dom/reconcile.js";
import { entry, idOf } from "../samples.js";

let list: HTMLElement;

beforeEach(() => {
  list = document.createElement("div");
  document.body.replaceChildren(list);
});

function outline(): string[] {
  return [...list.children].map((child) => (child.matches("article") ? child.id.slice(-2) : child.textContent));
}

function articles(...entries: ReturnType<typeof entry>[]): HTMLElement[] {
  const shown = shownArticles();
  return entries.flatMap((value) => currentArticle(value, shown, parseArticle) ?? []);
}

describe("arrange", () => {
  it("separates days, and keeps the nodes that stay", () => {
    const monday = { day: "2026-11-23" };
    arrange(list, articles(entry(2, 2), entry(1, 1)), {});
    const [heading, first] = list.children;
    arrange(list, articles(entry(3, 3, monday), entry(2, 2), entry(1, 1)), {});
    expect(outline()).toEqual(["Day 2026-11-23", "03", "Day 2026-11-22", "02", "01"]);
    expect(list.children[2]).toBe(heading);
    expect(list.children[3]).toBe(first);
    arrange(list, articles(entry(1, 1)), {});
    expect(outline()).toEqual(["Day 2026-11-22", "01"]);
  });

  it("says which language a heading of ours is in", () => {
    arrange(list, articles(entry(1, 1)), { lang: "en", dir: "ltr" });
    expect([list.querySelector("h2")?.lang, list.querySelector("h2")?.dir]).toEqual(["en", "ltr"]);
    list.replaceChildren();
    arrange(list, articles(entry(2, 2)), {});
    expect(list.querySelector("h2")?.hasAttribute("lang")).toBe(false);
  });

  it("needs no headings among the pinned", () => {
    arrange(list, articles(entry(2, 2), entry(1, 1)), null);
    expect(outline()).toEqual(["02", "01"]);
  });

  it("moves what changed its place", () => {
    arrange(list, articles(entry(1, 1), entry(2, 2), entry(3, 3)), null);
    arrange(list, articles(entry(3, 3), entry(1, 1), entry(2, 2)), null);
    expect(outline()).toEqual(["03", "01", "02"]);
  });
});

describe("currentArticle", () => {
  it("keeps an article of the same state, also one that the server wrote into the page", () => {
    list.innerHTML = entry(1, 1).html;
    const article = list.firstElementChild;
    expect(currentArticle(entry(1, 1), shownArticles(), parseArticle)).toBe(article);
    expect(currentArticle({ ...entry(1, 1), html: null }, shownArticles(), parseArticle)).toBe(article);
  });

  it("replaces an article of another state in its place, with the focus in it", () => {
    list.innerHTML = entry(2, 2).html + entry(1, 1).html;
    const links = list.querySelectorAll("a");
    links[1]?.focus();
    currentArticle(entry(2, 3, { heading: "Edited" }), shownArticles(), parseArticle);
    expect(outline()).toEqual(["02", "01"]);
    expect(list.querySelector("h3")?.textContent).toBe("Edited");
    expect(document.activeElement).toBe(list.querySelectorAll("a")[1]);
  });

  it("replaces an article of the same seq whose html differs: the time zone may have changed", () => {
    arrange(list, articles(entry(1, 1)), null);
    const other = { ...entry(1, 1), html: entry(1, 1).html.replace(">time<", ">another time<") };
    currentArticle(other, shownArticles(), parseArticle);
    expect(list.querySelector("a")?.textContent).toBe("another time");
  });

  it("has nothing to show of an entry that is not on the page and came without html", () => {
    expect(currentArticle({ ...entry(1, 1), html: null }, shownArticles(), parseArticle)).toBeNull();
  });

  it("refuses html without an article", () => {
    expect(() => parseArticle("<p>nothing</p>")).toThrow(TypeError);
  });
});

describe("arrangeKeyEvents", () => {
  let section: HTMLElement;

  beforeEach(() => {
    section = document.createElement("section");
    section.innerHTML = "<ol></ol><details hidden><ol></ol></details>";
    section.dataset.keyEvents = "2";
    document.body.replaceChildren(section);
  });

  function arranged(...numbers: number[]): void {
    arrangeKeyEvents(
      section,
      numbers.map((number) => ({ ...entry(number, number), title: `<b>${String(number)}</b>` })),
      (id) => id === idOf(3),
      () => Object.assign(document.createElement("time"), { textContent: "9 h 00" }),
    );
  }

  it("links to the entry on the page, else to its permalink, and takes titles as text", () => {
    arranged(3, 1);
    const links = [...section.querySelectorAll("a")];
    expect(links.map((link) => link.getAttribute("href"))).toEqual([`#entry-${idOf(3)}`, entry(1, 1).url]);
    expect(links.map((link) => link.textContent)).toEqual(["9 h 00 <b>3</b>", "9 h 00 <b>1</b>"]);
  });

  it("folds the older ones, and leaves the fold open that the reader opened", () => {
    const fold = section.querySelector("details");
    arranged(2, 1);
    expect(fold?.hidden).toBe(true);
    arranged(4, 3, 2, 1);
    expect([...section.querySelectorAll("ol")].map((part) => part.textContent)).toEqual([
      "9 h 00 <b>4</b>9 h 00 <b>3</b>",
      "9 h 00 <b>2</b>9 h 00 <b>1</b>",
    ]);
    expect([fold?.hidden, fold?.open]).toEqual([false, false]);
    fold?.setAttribute("open", "");
    arranged(5, 4, 3, 2, 1);
    expect(fold?.open).toBe(true);
  });
});
