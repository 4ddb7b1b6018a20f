import { describe, expect, it, vi } from "vitest";

import { get, press } from "./page.js";

describe("embeds", () => {
  it("say what is agreed to, then open in the link's place", async () => {
    await press(".embed-link");
    await press(".embed-link");
    expect(document.querySelectorAll(".embed-offer")).toHaveLength(1);
    expect(get(".embed-offer").textContent).toBe("Show They will know.");
    expect(document.querySelector("iframe")).toBeNull();
    get(".embed-offer button").click();
    const frame = get("iframe") as HTMLIFrameElement;
    expect([frame.title, frame.getAttribute("src"), frame.style.aspectRatio]).toEqual([
      "A film",
      "https://video.invalid/1",
      "16 / 9",
    ]);
    expect(document.querySelector(".embed-offer, .embed-link")).toBeNull();
  });

  it.each([
    ["in view", 100, []],
    ["above the window", -500, [150]],
  ])("opened while %s, move only what nobody reads", async (_, top, expected) => {
    document.body.insertAdjacentHTML("beforeend", '<article id="entry-2" data-id="2"></article>');
    vi.spyOn(HTMLElement.prototype, "getBoundingClientRect").mockImplementation(function (this: HTMLElement) {
      const height = document.querySelector("iframe") === null ? 50 : 200;
      return this.id === "entry-2" ? new DOMRect(0, top + 600 + height, 300, 50) : new DOMRect(0, top, 300, height);
    });
    const scrolled: unknown[] = [];
    vi.spyOn(window, "scrollBy").mockImplementation((options) => {
      scrolled.push((options as ScrollToOptions).top);
    });
    await press(".embed-link");
    get(".embed-offer button").click();
    expect(document.querySelector("iframe")).not.toBeNull();
    expect(scrolled).toEqual(expected);
  });

  it("have their own shape, and open nothing that isn't https", async () => {
    get(".embed").dataset.embedHeight = "300";
    await press(".embed-link");
    get(".embed-offer button").click();
    expect((get("iframe") as HTMLIFrameElement).style.height).toBe("300px");
    document.querySelector("iframe")?.remove();
    get(".embed").dataset.embedSrc = "javascript:alert(1)";
    get(".embed").append(Object.assign(document.createElement("a"), { className: "embed-link" }));
    await press(".embed-link");
    get(".embed-offer button").click();
    expect(document.querySelector("iframe")).toBeNull();
  });
});
