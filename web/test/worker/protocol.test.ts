import { expect, it } from "vitest";

import { copiesOf } from "../../src/worker/protocol.js";

it("belong to a live blog with all its pages, not to one whose name begins alike", () => {
  const paths = ["", "/", "?order=oldest", "/entries/1", "-2", "-2/entries/1"];
  const requests = paths.map((path) => ({ url: `https://example.org/live/a${path}` }) as Request);
  expect(copiesOf(requests, "https://example.org/live/a")).toEqual(requests.slice(0, 4));
});
