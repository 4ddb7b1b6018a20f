/**
 * Passkeys on the desk's pages. A page has `<button type="button" data-passkey="…" hidden>` for what it offers: `sign-in`, `join`,
 * `add` or `confirm`, with the host for which passkeys are made in `data-host`. The buttons are shown if the browser can do that, at
 * this host. On the page for signing in, the browser also offers passkeys
 * where the name is typed (conditional UI).
 */

import { type Problem, problemText } from "./passkey-texts.js";

type Purpose = "sign-in" | "join" | "add" | "confirm";

/** A challenge is good for five minutes. The one that waits for the field of the name is renewed before. */
const RENEW_MS = 4 * 60_000;

class Failure extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem);
    this.problem = problem;
  }
}

export function startPasskeys(): void {
  if (!canUsePasskeys()) {
    return;
  }
  const waiting = new Waiting();
  for (const button of document.querySelectorAll<HTMLButtonElement>("button[data-passkey]")) {
    const { passkey, host = location.hostname } = button.dataset;
    if (host !== location.hostname) {
      // Browsers refuse the site's passkeys at any other name than the public one.
      continue;
    }
    const purpose = passkey as Purpose;
    button.hidden = false;
    button.addEventListener("click", () => {
      waiting.stop();
      void withButton(button, () => use(purpose));
    });
    if (purpose === "sign-in") {
      void waiting.start(button);
    }
  }
}

/** Older browsers have passkeys, too, but would need code of ours to read the options. */
function canUsePasskeys(): boolean {
  return typeof PublicKeyCredential === "function" && "parseCreationOptionsFromJSON" in PublicKeyCredential;
}

/** The request that waits until a passkey is chosen where the name is typed. */
class Waiting {
  #request: AbortController | undefined;

  async start(button: HTMLButtonElement): Promise<void> {
    if (!(await PublicKeyCredential.isConditionalMediationAvailable())) {
      return;
    }
    const request = new AbortController();
    this.#request = request;
    const renewal = setTimeout(() => {
      this.stop();
      void this.start(button);
    }, RENEW_MS);
    try {
      const options = await optionsFor("sign-in");
      const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
        options as PublicKeyCredentialRequestOptionsJSON,
      );
      const credential = await navigator.credentials.get({
        publicKey,
        mediation: "conditional",
        signal: request.signal,
      });
      if (credential !== null) {
        const isAccepted = await withButton(button, async () => {
          location.assign(await send("sign-in", credential));
        });
        if (!isAccepted) {
          this.#startWhenAsked(button);
        }
      }
    } catch {
      // Nobody has asked for anything yet: the button and the password are there all the same.
    } finally {
      clearTimeout(renewal);
    }
  }

  /**
   * Another passkey may be chosen once the person turns to the field of the name again, and not before: an authenticator that
   * answers by itself would try the refused one without end.
   */
  #startWhenAsked(button: HTMLButtonElement): void {
    const field = document.querySelector('input[autocomplete~="webauthn"]');
    const asked = new AbortController();
    for (const act of ["pointerdown", "keydown"]) {
      field?.addEventListener(
        act,
        () => {
          asked.abort();
          void this.start(button);
        },
        { signal: asked.signal },
      );
    }
  }

  stop(): void {
    this.#request?.abort();
    this.#request = undefined;
  }
}

/**
 * Do something once at a time, and say beside the button if it fails. Returns whether it has succeeded: the next page follows then,
 * and the button stays as it is. A second sign-in would end the session that the first one has just begun.
 */
async function withButton(button: HTMLButtonElement, work: () => Promise<void>): Promise<boolean> {
  button.disabled = true;
  tell(button, undefined);
  try {
    await work();
    return true;
  } catch (error) {
    tell(button, problemOf(error));
    button.disabled = false;
    return false;
  }
}

/** Use a passkey, and go to the page that follows. */
async function use(purpose: Purpose): Promise<void> {
  let next: string;
  try {
    next = await send(purpose, await ask(purpose));
  } catch (error) {
    if (purpose !== "add" || !isNotConfirmed(error)) {
      throw error;
    }
    next = await confirmAndAdd();
  }
  location.assign(next);
}

/** Confirm by a passkey, and add another one. A person without passkeys goes to the page with the other ways to confirm. */
async function confirmAndAdd(): Promise<string> {
  try {
    await send("confirm", await ask("confirm"));
  } catch (error) {
    if (isNotConfirmed(error)) {
      return `${root()}/desk/confirm?next=/desk/account`;
    }
    throw error;
  }
  return await send("add", await ask("add"));
}

function isNotConfirmed(error: unknown): boolean {
  return error instanceof Failure && error.problem === "not-confirmed";
}

/** The credential that the person chooses, or the new one. */
async function ask(purpose: Purpose): Promise<Credential> {
  const options = await optionsFor(purpose);
  let credential: Credential | null;
  if (purpose === "join" || purpose === "add") {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
      options as PublicKeyCredentialCreationOptionsJSON,
    );
    credential = await navigator.credentials.create({ publicKey });
  } else {
    const known = (options as PublicKeyCredentialRequestOptionsJSON).allowCredentials;
    if (purpose === "confirm" && known?.length === 0) {
      throw new Failure("not-confirmed");
    }
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON);
    credential = await navigator.credentials.get({ publicKey });
  }
  if (credential === null) {
    throw new Failure("cancelled");
  }
  return credential;
}

async function optionsFor(purpose: Purpose): Promise<unknown> {
  return await post(purpose, `${purpose}/options`, tokenOf(purpose));
}

/** Send the authenticator's answer. Returns the path of the page that follows. */
async function send(purpose: Purpose, credential: Credential): Promise<string> {
  const answer = (credential as PublicKeyCredential).toJSON() as unknown;
  const next = fieldOf("next");
  const done = await post(purpose, purpose, { ...tokenOf(purpose), answer, ...(next === "" ? {} : { next }) });
  return (done as { next: string }).next;
}

function tokenOf(purpose: Purpose): { token?: string } {
  return purpose === "join" ? { token: fieldOf("link").split("#").at(-1) ?? "" } : {};
}

function fieldOf(name: string): string {
  return document.querySelector<HTMLInputElement>(`input[name="${name}"]`)?.value ?? "";
}

/** The path below which the desk lies: `/news` if the desk is at `/news/desk`. */
function root(): string {
  return location.pathname.slice(0, location.pathname.lastIndexOf("/desk/"));
}

async function post(purpose: Purpose, path: string, body: object): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(`${root()}/desk/signin/passkey/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Failure("no-network");
  }
  if (!response.ok) {
    throw new Failure(problemOfStatus(response.status, purpose, path));
  }
  return await response.json();
}

function problemOfStatus(status: number, purpose: Purpose, path: string): Problem {
  switch (status) {
    case 401:
      return purpose === "join" && path.endsWith("/options") ? "link" : "refused";
    case 403:
      return purpose === "add" ? "not-confirmed" : "failed";
    case 409:
      return "full";
    case 429:
      return "too-many";
    case 503:
      return "busy";
    default:
      return "failed";
  }
}

/** What the browser says if it makes or finds no passkey (WebAuthn, 5.1.3 and 5.1.4). */
function problemOf(error: unknown): Problem {
  if (error instanceof Failure) {
    return error.problem;
  }
  const name = error instanceof DOMException ? error.name : "";
  return name === "InvalidStateError"
    ? "known"
    : name === "NotAllowedError" || name === "AbortError"
      ? "cancelled"
      : "failed";
}

/** Say what went wrong, in an element after the button, which a screen reader announces. */
function tell(button: HTMLButtonElement, problem: Problem | undefined): void {
  let place = button.nextElementSibling;
  if (!place?.matches("[data-passkey-problem]")) {
    if (problem === undefined) {
      return;
    }
    place = document.createElement("p");
    place.setAttribute("data-passkey-problem", "");
    place.setAttribute("role", "alert");
    place.className = "told";
    button.after(place);
  }
  place.textContent = problem === undefined ? "" : problemText(problem, document.documentElement.lang);
}
