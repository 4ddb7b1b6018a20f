import { describe, expect, it } from "vitest";

import { parseMessage } from "../../src/model/messages.js";
import { parseBatch } from "../../src/stream/changes-api.js";
import { parsePage } from "../../src/stream/entries-api.js";
import { parseSnapshot } from "../../src/stream/snapshot-api.js";
import { entry, idOf, LIVEBLOG, snapshot } from "../samples.js";

describe("parseMessage", () => {
  it.each([
    { type: "hello", epoch: "abc", seq: 0, resumed: true, heartbeat: 25 },
    { type: "entry", seq: 3, entry: entry(3, 3) },
    { type: "entry", seq: 3, entry: entry(3, 3, { heading: null }) },
    { type: "delete", seq: 3, id: idOf(1) },
    { type: "liveblog", seq: 3, liveblog: LIVEBLOG },
    { type: "heartbeat", seq: 3, viewers: 12 },
    { type: "reset", epoch: "abc", seq: 3 },
    { type: "reconnect", after_ms: 8200 },
  ])("takes $type", (message) => {
    expect(parseMessage(JSON.stringify(message))).toEqual(message);
  });

  it.each([
    "",
    "{",
    "null",
    "[]",
    '"hello"',
    "{}",
    '{"type":"weather","seq":3}',
    '{"type":"hello","epoch":"abc","seq":1,"resumed":true,"heartbeat":0}',
    '{"type":"hello","epoch":"abc","seq":-1,"resumed":true,"heartbeat":25}',
    '{"type":"hello","seq":1,"resumed":true,"heartbeat":25}',
    '{"type":"delete","seq":3}',
    '{"type":"delete","seq":"3","id":"x"}',
    '{"type":"delete","seq":3.5,"id":"x"}',
    '{"type":"entry","seq":3,"entry":{}}',
    '{"type":"entry","seq":3}',
    '{"type":"liveblog","seq":3,"liveblog":{"title":"x"}}',
    '{"type":"heartbeat","seq":3}',
    '{"type":"reset","seq":3}',
    '{"type":"reconnect","after_ms":-1}',
  ])("ignores %s", (text) => {
    expect(parseMessage(text)).toBeNull();
  });
});

describe("the API's answers", () => {
  it("are taken whole", () => {
    const batch = { reset: false, epoch: "abc", seq: 3, events: [{ type: "delete", seq: 3, id: "x" }], more: false };
    expect(parseBatch(batch)).toEqual(batch);
    expect(parseBatch({ reset: true, epoch: "abc", seq: 3 })).toEqual({ reset: true, epoch: "abc", seq: 3 });
    expect(parseSnapshot(snapshot())).toEqual(snapshot());
    const page = { items: [entry(1, 1)], next_cursor: "c", epoch: "abc", seq: 3 };
    expect(parsePage(page)).toEqual(page);
  });

  it.each([
    null,
    [],
    {},
    { epoch: "abc", seq: 3 },
    { epoch: "abc", seq: 3, events: [{ type: "entry", seq: 1 }], more: false },
  ])("are refused when they are not: %j", (value) => {
    expect(() => parseBatch(value)).toThrow(TypeError);
    expect(() => parseSnapshot(value)).toThrow(TypeError);
    expect(() => parsePage(value)).toThrow(TypeError);
  });
});
