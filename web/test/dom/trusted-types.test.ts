import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type * as Trusted from "../../src/dom/trusted-types.js";
import type * as Registering from "../../src/reader/register-worker.js";

/** Stands for a browser's: what its policies make is marked. */
const createPolicy = vi.fn((_name: string, rules: Partial<Record<string, (text: string) => string>>) => ({
  createHTML: (html: string) => `${rules.createHTML?.(html) ?? ""}<!--trusted-->`,
  createScriptURL: (url: string) => `${rules.createScriptURL?.(url) ?? ""}#trusted`,
}));

async function fresh(): Promise<typeof Trusted> {
  vi.resetModules();
  return import("../../src/dom/trusted-types.js");
}

async function freshRegistering(): Promise<typeof Registering> {
  vi.resetModules();
  return import("../../src/reader/register-worker.js");
}

beforeEach(() => {
  vi.stubGlobal("trustedTypes", { createPolicy });
  createPolicy.mockClear();
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("the policies", () => {
  it("is made once, and not before it is needed", async () => {
    const { parse } = await fresh();
    expect(createPolicy).not.toHaveBeenCalled();
    for (const text of ["a", "b"]) {
      const nodes = parse(`<p>${text}</p>`);
      expect(nodes.firstElementChild?.textContent).toBe(text);
      expect(nodes.lastChild?.textContent).toBe("trusted");
    }
    expect(createPolicy).toHaveBeenCalledOnce();
    expect(createPolicy.mock.calls[0]?.[0]).toBe("liveserver");
  });

  it("isn't needed where there are no Trusted Types", async () => {
    vi.stubGlobal("trustedTypes", undefined);
    const { parse } = await fresh();
    expect(parse("<p>a</p>").firstElementChild?.textContent).toBe("a");
  });

  it("lets this site's service worker be registered, and nothing else", async () => {
    const register = vi.fn(() => Promise.resolve());
    vi.stubGlobal("navigator", { serviceWorker: { register } });
    const trusted = await freshRegistering();
    const own = new URL("/below/live/sw.js", location.href);
    await trusted.register(own);
    expect(register).toHaveBeenCalledExactlyOnceWith(`${own.href}#trusted`);
    for (const other of [
      "https://elsewhere.example/live/sw.js",
      new URL("/media/live.js", location.href).href,
      "data:text/javascript,1",
    ]) {
      await expect(trusted.register(new URL(other))).rejects.toThrow(TypeError);
    }
    expect(register).toHaveBeenCalledOnce();
    expect(createPolicy.mock.calls.map(([name]) => name)).toEqual(["liveserver-worker"]);
  });
});
