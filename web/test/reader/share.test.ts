import { describe, expect, it, vi } from "vitest";

import { idOf } from "../samples.js";
import { get, press, receive } from "./page.js";

describe("sharing", () => {
  it("goes by the device's own means, and is left alone when the reader thinks better of it", async () => {
    const shared: ShareData[] = [];
    vi.stubGlobal("navigator", {
      share: (data: ShareData) => {
        shared.push(data);
        return Promise.reject(new DOMException("no", "AbortError"));
      },
    });
    await press("[data-share]");
    expect(shared).toEqual([{ title: "Title", url: "https://live.example.org/1" }]);
    expect(document.querySelector(".card")).toBeNull();
  });

  it("isn't of what is gone meanwhile", async () => {
    const handOn = vi.fn();
    vi.stubGlobal("navigator", { share: handOn });
    receive({ type: "gone", id: idOf(2) });
    await press("[data-share]");
    expect(handOn).not.toHaveBeenCalled();
  });

  it("goes by the clipboard otherwise, and says whether it worked", async () => {
    const writeText = vi.fn(() => Promise.resolve());
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    await press("[data-share]");
    expect(writeText).toHaveBeenCalledWith("https://live.example.org/1");
    expect(get(".card").textContent).toBe("Copié");
    writeText.mockImplementation(() => Promise.reject(new DOMException("no", "NotAllowedError")));
    await press("[data-share]");
    expect(document.querySelectorAll(".card")[1]?.textContent).toBe("Pas copié");
  });
});
