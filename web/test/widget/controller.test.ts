import { afterEach, beforeEach, expect, it, vi } from "vitest";

import type { Entry, Snapshot } from "../../src/model/messages.js";
import { mount } from "../../src/widget/controller.js";
import type { Mounted } from "../../src/widget/element.js";
import { entry, idOf, snapshot } from "../samples.js";

const SHELL = {
  html:
    '<div class="lv"><span class="status"></span><span class="note" hidden></span><a class="name">Demo</a>' +
    '<button class="news" hidden></button><div class="top"></div><div class="pinned" hidden></div><p class="empty"></p>' +
    '<div class="list"></div><button class="older" hidden></button><p class="foot"></p><div class="said"></div></div>',
  locale: "fr",
  days: {},
  status: {},
  new_entries: { other: "{count}" },
  text: {},
};

let mounted: Mounted | undefined;
let answers: Record<string, unknown>;
let asked: string[];
let told: unknown[];
let socket: { onmessage?: (event: { data: string }) => void };

beforeEach(() => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  asked = [];
  vi.stubGlobal("fetch", (address: string) => {
    asked.push(address.replace("https://live.example.org/", ""));
    const name = new URL(address).pathname.split("/").at(-1) ?? "";
    const answer = answers[name];
    return Promise.resolve({ ok: answer !== undefined, status: 503, json: () => Promise.resolve(answer) });
  });
  socket = {};
  told = [];
  vi.stubGlobal("WebSocket", function () {
    return Object.assign(socket, {
      close: () => undefined,
      readyState: 1,
      OPEN: 1,
      send: (text: string) => told.push(JSON.parse(text)),
    });
  });
});

afterEach(() => {
  mounted?.close();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Scripts of the partner's page that are left, by name. */
function left(): string[] {
  return [...document.querySelectorAll("script")].map(({ title }) => title);
}

function quoting(name: string, type: string, text: string): string {
  return `<script title="${name}" type="${type}">${JSON.stringify({ text })}</script>`;
}

/** The partner's page with what its CMS has of the fragment, and the widget in it once it lives. */
async function live(fragment: Entry[], first: Partial<Snapshot>): Promise<void> {
  answers = { "shell.json": SHELL, snapshot: snapshot(first) };
  const quotes = fragment.map(({ id, heading }) => quoting(heading ?? "", "application/ld+json", id));
  document.body.innerHTML =
    quotes.join("") + quoting("the CMS's own", "application/json", fragment.map(({ id }) => id).join(" "));
  const host = Object.assign(document.createElement("div"), { innerHTML: fragment.map(({ html }) => html).join("") });
  host.setAttribute("src", "https://live.example.org/live/demo");
  document.body.append(host);
  const root = host.attachShadow({ mode: "open" });
  root.adoptedStyleSheets = [new CSSStyleSheet()];
  mounted = mount(host, root);
  await vi.waitUntil(() => root.querySelector("article"));
  await vi.dynamicImportSettled();
}

function receive(message: unknown): void {
  socket.onmessage?.({ data: JSON.stringify(message) });
}

it("takes out what quotes an entry that is deleted or changed, and no script but JSON-LD", async () => {
  await live([entry(9, 9), entry(8, 8), entry(7, 7)], { entries: [entry(9, 9), entry(8, 8), entry(7, 7)] });
  expect(left()).toEqual(["Entry 9", "Entry 8", "Entry 7", "the CMS's own"]);
  receive({ type: "hello", epoch: "abc", seq: 9, resumed: true, heartbeat: 25 });
  receive({ type: "delete", seq: 10, id: idOf(9) });
  receive({ type: "entry", seq: 11, entry: entry(8, 11, { heading: "Edited" }) });
  await vi.waitUntil(() => left().length < 3);
  expect(left()).toEqual(["Entry 7", "the CMS's own"]);
  expect(told).toEqual([]);
  receive({ type: "delete", seq: 12, id: idOf(7), confirm: { within: 5000 } });
  await vi.waitUntil(() => told.length > 0);
  expect([told, left()]).toEqual([[{ type: "gone", id: idOf(7), had: true }], ["the CMS's own"]]);
});

it("takes out what quotes entries that were changed or deleted while nobody told, when it starts afresh", async () => {
  const all = [entry(9, 9), entry(8, 8), entry(7, 7)];
  await live(all, { entries: all });
  answers.snapshot = snapshot({
    seq: 900,
    entries: [entry(9, 9), entry(7, 12, { updated_at: "2026-11-22T10:00:00.000Z" })],
  });
  receive({ type: "hello", epoch: "abc", seq: 900, resumed: false, heartbeat: 25 });
  await vi.waitUntil(() => left().length === 2);
  expect(left()).toEqual(["Entry 9", "the CMS's own"]);
});

it("leaves what quotes an entry that is as it was, only too old for the list; not one that is gone or other words by now", async () => {
  const older = entry(5, 5, { updated_at: "2026-11-22T10:00:00.000Z" });
  const page = { items: [entry(7, 7), older], next_cursor: null, epoch: "abc", seq: 9 };
  const fragment = [entry(9, 9), entry(7, 7), entry(6, 6), entry(5, 5)];
  document.body.innerHTML = "";
  answers = {};
  const beginning = live(fragment, { entries: [entry(9, 9), entry(8, 8)], next_cursor: "c" });
  answers.entries = page;
  await beginning;
  await vi.waitUntil(() => left().length < 5);
  expect(left()).toEqual(["Entry 9", "Entry 7", "the CMS's own"]);
});

it("takes it out where the older ones can't be had", async () => {
  await live([entry(9, 9), entry(7, 7)], { entries: [entry(9, 9)], next_cursor: "c" });
  await vi.waitUntil(() => left().length < 3);
  expect(left()).toEqual(["the CMS's own"]);
});

it("asks for its second part again where that isn't to be had, and does then what it is for", async () => {
  const load = vi.fn(() => Promise.reject(new Error("no network")));
  vi.doMock("../../src/widget/deferred.js", load);
  await live([], { entries: [entry(9, 9)] });
  answers.changes = { epoch: "abc", seq: 11, events: [{ type: "entry", seq: 11, entry: entry(11, 11) }], more: false };
  receive({ type: "hello", epoch: "abc", seq: 9, resumed: true, heartbeat: 25 });
  receive({ type: "entry", seq: 11, entry: entry(11, 11) });
  await vi.waitUntil(() => load.mock.calls.length > 1);
  vi.doUnmock("../../src/widget/deferred.js");
  await vi.waitUntil(() => document.querySelector("div")?.shadowRoot?.querySelector(`[data-id="${idOf(11)}"]`));
});

it("reads older entries from where its last snapshot ends", async () => {
  await live([], { entries: [entry(9, 9)], next_cursor: "c" });
  answers.snapshot = snapshot({ seq: 900, next_cursor: "d" });
  answers.entries = { items: [entry(7, 7)], next_cursor: null, epoch: "abc", seq: 900 };
  receive({ type: "hello", epoch: "abc", seq: 900, resumed: false, heartbeat: 25 });
  await vi.waitUntil(() => document.querySelector("div")?.shadowRoot?.querySelector(`[data-id="${idOf(7)}"]`));
  expect(asked.at(-1)).toBe("api/v1/liveblogs/demo/entries?cursor=d&limit=20");
});

it("listens to nothing once it is taken out of the page: nobody may ever close it", async () => {
  const heard = new Set<string>();
  for (const target of [window, document]) {
    const name = target === window ? "window" : "document";
    vi.spyOn(target as EventTarget, "addEventListener").mockImplementation((type) => heard.add(`${name} ${type}`));
    vi.spyOn(target as EventTarget, "removeEventListener").mockImplementation((type) =>
      heard.delete(`${name} ${type}`),
    );
  }
  await live([], { entries: [entry(9, 9)] });
  expect(heard).toContain("window visibilitychange");
  mounted?.suspend();
  expect([...heard]).toEqual([]);
});
