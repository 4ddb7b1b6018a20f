import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { takeToken } from "../../src/desk/link-token.js";
import { tellLocally } from "../../src/desk/local-times.js";
import { showsPassword } from "../../src/desk/password-field.js";

function element<T extends Element>(kind: new () => T, selector: string): T {
  const found = document.querySelector(selector);
  if (!(found instanceof kind)) {
    throw new Error(`there is no ${selector}`);
  }
  return found;
}

const form = (): HTMLFormElement => element(HTMLFormElement, "form");
const input = (): HTMLInputElement => element(HTMLInputElement, "input");

describe("the token of a link", () => {
  const submit = vi.fn();

  beforeEach(() => {
    document.body.innerHTML = '<form data-link><input name="link"></form>';
    form().requestSubmit = submit;
    submit.mockClear();
  });

  afterEach(() => {
    history.replaceState(null, "", "/");
  });

  it("is taken out of the address, and sent", () => {
    history.replaceState(null, "", "/desk/join#abc-_123");
    takeToken(form());
    expect(location.hash).toBe("");
    expect(location.pathname).toBe("/desk/join");
    expect(input().value).toBe("abc-_123");
    expect(submit).toHaveBeenCalledOnce();
  });

  it("is pasted by hand where the address has none", () => {
    history.replaceState(null, "", "/desk/join");
    takeToken(form());
    expect(submit).not.toHaveBeenCalled();
  });
});

describe("a field for a password", () => {
  it("shows and hides what is typed, and is sent as a password", () => {
    document.body.innerHTML = '<form><div><input type="password"><button type="button" hidden></button></div></form>';
    const button = element(HTMLButtonElement, "button");
    showsPassword(button);
    expect(button.hidden).toBe(false);
    button.click();
    expect([input().type, button.getAttribute("aria-pressed")]).toEqual(["text", "true"]);
    button.click();
    expect([input().type, button.getAttribute("aria-pressed")]).toEqual(["password", "false"]);
    button.click();
    form().dispatchEvent(new Event("submit"));
    expect(input().type).toBe("password");
  });
});

describe("times", () => {
  it("are told in the page's language, in the form of the person's region", () => {
    document.body.innerHTML = '<time datetime="2026-11-22T12:07:00.000Z" data-local>UTC</time><time>kept</time>';
    vi.spyOn(navigator, "language", "get").mockReturnValue("fr-CA");
    tellLocally(document, "fr");
    expect(element(HTMLTimeElement, "time").textContent).toContain("2026");
    expect(element(HTMLTimeElement, "time").textContent).toContain("nov.");
    expect(element(HTMLTimeElement, "time:last-of-type").textContent).toBe("kept");
    tellLocally(document, "en");
    expect(element(HTMLTimeElement, "time").textContent).toContain("Nov");
  });
});
