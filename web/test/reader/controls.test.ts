import { expect, it, vi } from "vitest";

import { get, load, memory, PAGE, press } from "./page.js";

it("a click does what the control is for", async () => {
  vi.stubGlobal("navigator", { clipboard: { writeText: () => Promise.resolve() } });
  await press("[data-share]");
  expect(get(".card").textContent).toBe("Copié");
  await press(".embed-link");
  expect(get(".embed-offer").textContent).toContain("They will know.");
  const requestPermission = (): Promise<string> => Promise.resolve("granted");
  vi.stubGlobal("Notification", { requestPermission });
  await press("[data-alerts]");
  expect(memory.alerts).toBe(true);
});

it.each([
  ["newer", "oldest"],
  ["older", "newest"],
])("a link to %s entries reads on from its cursor, the %s first", async (side, order) => {
  const asked: URL[] = [];
  vi.stubGlobal("fetch", (url: string) => {
    asked.push(new URL(url));
    return Promise.reject(new TypeError("no network"));
  });
  load({ api: PAGE, filter: { tag: "foot", key_events: true, verification: null } });
  document.body.innerHTML = `<p><a data-${side}="c1" href="#">More</a><span role="status"></span></p>`;
  await press("a");
  expect(Object.fromEntries(asked[0]?.searchParams ?? [])).toEqual({
    cursor: "c1",
    limit: "20",
    order,
    tag: "foot",
    key_events: "true",
  });
  expect([get("[role=status]").textContent, get("a").hasAttribute("aria-busy")]).toEqual(["Échec", false]);
});
