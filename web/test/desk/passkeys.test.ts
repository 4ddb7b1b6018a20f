import { beforeEach, describe, expect, it, vi } from "vitest";

import { problemText, type Problem } from "../../src/desk/passkey-texts.js";
import { startPasskeys } from "../../src/desk/passkeys.js";

/** What the script sends, in order: the path below `/desk/signin/passkey/`, and the body. */
let sent: [string, unknown][];
/** What the server answers to each path: its statuses or bodies, one after the other. The last one is repeated. */
let answers: Record<string, (number | object)[]>;
let went: string[];
const credentials = { create: vi.fn(), get: vi.fn() };
const isConditionalMediationAvailable = vi.fn();

const BROWSERS_ANSWER = { id: "a2V5", type: "public-key" };
const credential = { toJSON: () => BROWSERS_ANSWER };

function page(purpose: string, fields = ""): void {
  document.body.innerHTML = `<form>${fields}</form><button type="button" data-passkey="${purpose}" hidden>x</button>`;
  startPasskeys();
}

function button(): HTMLButtonElement {
  const found = document.querySelector("button");
  if (found === null) {
    throw new Error("there is no button");
  }
  return found;
}

/** The text beside the button, once there is one. */
async function told(): Promise<string> {
  return await vi.waitFor(() => {
    const text = document.querySelector('[role="alert"]')?.textContent ?? "";
    expect(text).not.toBe("");
    return text;
  });
}

async function gone(): Promise<string> {
  return await vi.waitFor(() => {
    expect(went).toHaveLength(1);
    return went[0] ?? "";
  });
}

async function answer(path: string, init?: RequestInit): Promise<Response> {
  const key = path.split("/desk/signin/passkey/")[1] ?? path;
  sent.push([key, JSON.parse(init?.body as string)]);
  const queue = answers[key] ?? [404];
  const next = queue.length > 1 ? queue.shift() : queue[0];
  const [status, body] = typeof next === "number" ? [next, {}] : [200, next];
  return Promise.resolve(new Response(JSON.stringify(body), { status }));
}

beforeEach(() => {
  [sent, answers, went] = [[], {}, []];
  document.documentElement.lang = "en";
  history.replaceState(null, "", "/news/desk/account");
  vi.stubGlobal(
    "PublicKeyCredential",
    Object.assign(vi.fn(), {
      // What comes out shows that the options were decoded, and by which of the two.
      parseCreationOptionsFromJSON: (options: object) => ({ ...options, decoded: "creation" }),
      parseRequestOptionsFromJSON: (options: object) => ({ ...options, decoded: "request" }),
      isConditionalMediationAvailable,
    }),
  );
  vi.stubGlobal("fetch", vi.fn(answer));
  Object.defineProperty(navigator, "credentials", { value: credentials, configurable: true });
  vi.spyOn(location, "assign").mockImplementation((address) => {
    went.push(String(address));
  });
  isConditionalMediationAvailable.mockResolvedValue(false);
  credentials.create.mockReset().mockResolvedValue(credential);
  credentials.get.mockReset().mockResolvedValue(credential);
});

describe("a browser that can't", () => {
  it.each(["no passkeys", "no way to decode options"])("shows no button: %s", (lack) => {
    vi.stubGlobal("PublicKeyCredential", lack === "no passkeys" ? undefined : vi.fn());
    page("sign-in");
    expect(button().hidden).toBe(true);
    button().click();
    expect(sent).toEqual([]);
  });
});

describe("a page at another host than the public one", () => {
  it.each([
    ["live.test", true],
    [location.hostname, false],
  ])("shows no button: %s", (host, hidden) => {
    document.body.innerHTML = `<button type="button" data-passkey="join" data-host="${host}" hidden>x</button>`;
    startPasskeys();
    expect(button().hidden).toBe(hidden);
  });
});

describe("a passkey", () => {
  it("signs in: the options are decoded, and the answer goes with the page that was asked for", async () => {
    answers = {
      "sign-in/options": [{ challenge: "Y2g", allowCredentials: [] }],
      "sign-in": [{ next: "/news/desk/x" }],
    };
    page("sign-in", '<input name="next" value="/desk/x">');
    expect(button().hidden).toBe(false);
    button().click();
    expect(await gone()).toBe("/news/desk/x");
    const publicKey = { challenge: "Y2g", allowCredentials: [], decoded: "request" };
    expect(credentials.get.mock.calls).toEqual([[{ publicKey }]]);
    expect(sent).toEqual([
      ["sign-in/options", {}],
      ["sign-in", { answer: BROWSERS_ANSWER, next: "/desk/x" }],
    ]);
    expect(vi.mocked(fetch).mock.calls[0]?.[0]).toBe("/news/desk/signin/passkey/sign-in/options");
    expect(button().disabled).toBe(true);
  });

  it("joins: a new one is made for the link's token", async () => {
    answers = { "join/options": [{ challenge: "Y2g" }], join: [{ next: "/news/desk" }] };
    history.replaceState(null, "", "/news/desk/join");
    page("join", '<input name="link" value="https://live.test/news/desk/join#token">');
    button().click();
    expect(await gone()).toBe("/news/desk");
    expect(credentials.create.mock.calls).toEqual([[{ publicKey: { challenge: "Y2g", decoded: "creation" } }]]);
    expect(sent).toEqual([
      ["join/options", { token: "token" }],
      ["join", { token: "token", answer: BROWSERS_ANSWER }],
    ]);
  });

  it("confirms, and leads to the page that was asked for", async () => {
    answers = { "confirm/options": [{ allowCredentials: [{}] }], confirm: [{ next: "/news/desk/x" }] };
    page("confirm", '<input name="next" value="/desk/x">');
    button().click();
    expect(await gone()).toBe("/news/desk/x");
    expect(sent.at(-1)).toEqual(["confirm", { answer: BROWSERS_ANSWER, next: "/desk/x" }]);
  });

  it("is added after another one has confirmed, if the sign-in is long ago", async () => {
    answers = {
      "add/options": [403, { challenge: "Y2g" }],
      "confirm/options": [{ allowCredentials: [{}] }],
      confirm: [{ next: "/news/desk" }],
      add: [{ next: "/news/desk/account?done=passkey-made" }],
    };
    page("add");
    button().click();
    expect(await gone()).toBe("/news/desk/account?done=passkey-made");
    expect(sent.map(([path]) => path)).toEqual(["add/options", "confirm/options", "confirm", "add/options", "add"]);
  });

  it("can't confirm for a person who has none: the page with the other ways follows", async () => {
    answers = { "add/options": [403], "confirm/options": [{ allowCredentials: [] }] };
    page("add");
    button().click();
    expect(await gone()).toBe("/news/desk/confirm?next=/desk/account");
    expect(credentials.get).not.toHaveBeenCalled();
  });
});

describe("what goes wrong is said beside the button, which can be used again:", () => {
  const rejected: [string, string, Problem][] = [
    ["the person cancels", "NotAllowedError", "cancelled"],
    ["it is aborted", "AbortError", "cancelled"],
    ["the device has one already", "InvalidStateError", "known"],
    ["the browser refuses the address", "SecurityError", "failed"],
  ];
  it.each(rejected)("%s", async (_, name, problem) => {
    answers = { "add/options": [{}] };
    credentials.create.mockRejectedValue(new DOMException("", name));
    page("add");
    button().click();
    expect(await told()).toBe(problemText(problem, "en"));
    expect(button().disabled).toBe(false);
    expect(sent.map(([path]) => path)).toEqual(["add/options"]);
  });

  it("the browser returns no passkey", async () => {
    answers = { "sign-in/options": [{}] };
    credentials.get.mockResolvedValue(null);
    page("sign-in");
    button().click();
    expect(await told()).toBe(problemText("cancelled", "en"));
  });

  const refused: [string, string, number, Problem][] = [
    ["join", "join/options", 401, "link"],
    ["join", "join", 401, "refused"],
    ["join", "join", 403, "failed"],
    ["sign-in", "sign-in", 401, "refused"],
    ["sign-in", "sign-in/options", 404, "failed"],
    ["sign-in", "sign-in", 429, "too-many"],
    ["sign-in", "sign-in/options", 503, "busy"],
    ["add", "add", 409, "full"],
  ];
  it.each(refused)("the server refuses to %s (%s: %i)", async (purpose, path, status, problem) => {
    answers = { [`${purpose}/options`]: [{}], [purpose]: [{ next: "/desk" }], [path]: [status] };
    document.documentElement.lang = "fr";
    page(purpose, '<input name="link" value="#token">');
    button().click();
    expect(await told()).toBe(problemText(problem, "fr"));
    expect(button().disabled).toBe(false);
    expect(went).toEqual([]);
  });

  it("the server can't be reached; and the text goes once it works", async () => {
    vi.mocked(fetch).mockRejectedValueOnce(new TypeError());
    answers = { "sign-in/options": [{}], "sign-in": [{ next: "/desk" }] };
    page("sign-in");
    button().click();
    expect(await told()).toBe(problemText("no-network", "en"));
    button().click();
    await gone();
    expect(document.querySelector('[role="alert"]')?.textContent).toBe("");
  });

  it("the proof doesn't count, whatever was done: no third try", async () => {
    answers = { "add/options": [403], "confirm/options": [{ allowCredentials: [{}] }], confirm: [{ next: "/desk" }] };
    page("add");
    button().click();
    expect(await told()).toBe(problemText("not-confirmed", "en"));
    expect(sent.map(([path]) => path)).toEqual(["add/options", "confirm/options", "confirm", "add/options"]);
  });
});

describe("the browser's own offer, where the name is typed,", () => {
  beforeEach(() => {
    isConditionalMediationAvailable.mockResolvedValue(true);
    answers = { "sign-in/options": [{ challenge: "Y2g" }], "sign-in": [{ next: "/desk" }] };
  });

  it("signs in", async () => {
    page("sign-in");
    expect(await gone()).toBe("/desk");
    expect(credentials.get.mock.calls[0]?.[0]).toMatchObject({
      mediation: "conditional",
      publicKey: { challenge: "Y2g" },
    });
  });

  it("ends when the button is used, without a word", async () => {
    let signal: AbortSignal | undefined;
    credentials.get.mockImplementationOnce(async (options: CredentialRequestOptions) => {
      signal = options.signal;
      return await new Promise((_, reject) => {
        signal?.addEventListener("abort", () => {
          reject(new DOMException("", "AbortError"));
        });
      });
    });
    page("sign-in");
    await vi.waitFor(() => {
      expect(signal).toBeDefined();
    });
    button().click();
    expect(await gone()).toBe("/desk");
    expect(signal?.aborted).toBe(true);
    expect(document.querySelector('[role="alert"]')).toBeNull();
  });

  it.each(["pointerdown", "keydown"])(
    "comes again after a refused passkey with the next %s in the field",
    async (act) => {
      answers["sign-in"] = [401, 401, { next: "/desk" }];
      page("sign-in", '<input autocomplete="username webauthn">');
      const field = document.querySelector("input");
      for (const tries of [1, 2]) {
        await vi.waitFor(() => {
          expect(button().disabled).toBe(false);
          expect(credentials.get).toHaveBeenCalledTimes(tries);
          expect(document.querySelector('[role="alert"]')?.textContent).toBe(problemText("refused", "en"));
        });
        // Time for a try that nobody has asked for.
        await new Promise((resolve) => setTimeout(resolve));
        expect(credentials.get).toHaveBeenCalledTimes(tries);
        field?.dispatchEvent(new Event(act));
        field?.dispatchEvent(new Event(act));
      }
      expect(await gone()).toBe("/desk");
      expect(credentials.get).toHaveBeenCalledTimes(3);
    },
  );
});
