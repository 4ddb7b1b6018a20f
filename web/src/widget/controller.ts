/** A live blog in a partner's page: reads it, keeps it live, and tells the page of it by events of its element. */

import type { Snapshot } from "../model/messages.js";
import { parseSnapshot } from "../stream/snapshot-api.js";
import { nothing, type Outcome } from "../model/outcome.js";
import { stateOf } from "../model/timeline-state.js";
import { Timeline } from "../model/timeline.js";
import type { Status } from "../stream/connection.js";
import { LiveSession } from "../stream/live-session.js";
import { fetchJson } from "../stream/transports.js";
import { shownArticles } from "../dom/reconcile.js";
import type { Deferred, DeferredOptions } from "./deferred.js";
import type { Mounted } from "./element.js";
import { link, WidgetView, type WidgetShell, type PartnerTerms } from "./widget-view.js";
import css from "./widget.css?inline";

const LIMIT = 20;
const LIMIT_MAX = 100;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;
/** Answers that asking again won't change. */
const REFUSALS = /^4(?:0[034]|10|22)/;

const sheet = new CSSStyleSheet();
sheet.replaceSync(css);

/** Starts a widget for the element in its shadow tree. */
export function mount(host: HTMLElement, root: ShadowRoot): Mounted {
  root.adoptedStyleSheets[1] = sheet;
  return new Widget(host, root);
}

class Widget implements Mounted {
  #running = false;
  #closed = false;
  #attempts = 0;
  #retryTimer = 0;
  #api = "";
  #url = "";
  #view: WidgetView | null = null;
  #session: LiveSession | null = null;
  #deferred: Deferred | undefined;
  #terms: PartnerTerms = {};
  readonly #host: HTMLElement;
  readonly #root: ShadowRoot;

  constructor(host: HTMLElement, root: ShadowRoot) {
    this.#host = host;
    this.#root = root;
    this.resume();
  }

  resume(): void {
    if (this.#running || this.#closed) {
      return;
    }
    this.#running = true;
    if (this.#session === null) {
      void this.#load();
    } else {
      this.#session.start();
    }
  }

  suspend(): void {
    this.#running = false;
    clearTimeout(this.#retryTimer);
    this.#session?.suspend();
    this.#view?.rest();
  }

  close(): void {
    this.suspend();
    this.#closed = true;
    this.#view?.close();
  }

  update(name: string): boolean {
    if (this.#view === null || (name !== "height" && name !== "theme")) {
      return false;
    }
    this.#dress(this.#view);
    return true;
  }

  get #limit(): number {
    return Math.min(LIMIT_MAX, Math.abs(parseInt(this.#host.getAttribute("limit") ?? "", 10)) || LIMIT);
  }

  async #load(): Promise<void> {
    try {
      const address = new URL(this.#host.getAttribute("src") ?? "", document.baseURI);
      const [, base, slug] = /^(https?:\/\/.*)\/live\/([\w-]+)/.exec(address.href) ?? [];
      if (base === undefined || slug === undefined) {
        console.warn("no /live/slug in src", this.#host);
        this.#end();
        return;
      }
      const partner = this.#host.getAttribute("partner");
      const language = this.#host.getAttribute("lang");
      const query = partner ? `?partner=${encodeURIComponent(partner)}` : "";
      this.#url = `${base}/live/${slug}`;
      this.#api = `${base}/api/v1/liveblogs/${slug}${query}`;
      if (partner) {
        this.#terms = (await fetchJson(this.#api, "embed").catch(() => ({}))) as PartnerTerms;
      }
      const [snapshot, shell] = await Promise.all([
        fetchJson(this.#api, "snapshot", { limit: this.#limit }).then(parseSnapshot),
        fetchJson(`${base}/embed/${slug}${query}`, "shell.json", language ? { lang: language } : {}),
      ]);
      if (this.#running) {
        this.#begin(snapshot, shell as WidgetShell);
      }
    } catch (error) {
      if (REFUSALS.test((error as Error).message)) {
        this.#end();
      } else if (this.#running) {
        const ceiling = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** this.#attempts++);
        this.#retryTimer = window.setTimeout(() => void this.#load(), Math.random() * ceiling);
      }
    }
  }

  #begin(snapshot: Snapshot, shell: WidgetShell): void {
    const timeline = new Timeline({ ...stateOf(snapshot), page: "first", apart: true, focus: null });
    timeline.liveblog = snapshot.liveblog;
    const view = new WidgetView(timeline, shell, this.#limit);
    const copies = shownArticles(this.#host);
    const context = { api: this.#api, limit: this.#limit, timeline, view, copies, cursor: snapshot.next_cursor };
    const load = (): Promise<Deferred> => this.#loadDeferred(context);
    const session = new LiveSession({
      api: this.#api,
      timeline,
      status: (status) => {
        this.#showStatus(status);
      },
      show: (outcome) => {
        this.#show(outcome, context);
      },
      turned: () => {
        view.look();
      },
      loadRepair: load,
    });
    this.#view = view;
    this.#session = session;
    view.older = async () => (await load()).older();
    if (copies.size > 0) {
      // A fragment has entries in the element: a copy that grows old, as does what it quotes of those that are otherwise by now.
      this.#host.replaceChildren();
      void load().then((deferred) => deferred.compare());
    }
    this.#dress(view);
    const { attribution } = this.#terms;
    if (attribution) {
      view.add(link(attribution.url, attribution.text));
    }
    this.#root.replaceChildren(view.element);
    session.start();
    session.apply({ ...nothing(), changed: true });
  }

  /** Loads the part that few widgets need, trying again and again where that fails. */
  async #loadDeferred(context: DeferredOptions): Promise<Deferred> {
    try {
      const module = await import("./deferred.js");
      return (this.#deferred ??= new module.Deferred(context));
    } catch {
      await new Promise<void>((resolve) => {
        this.#session?.within(RETRY_MAX_MS, resolve);
      });
      return this.#loadDeferred(context);
    }
  }

  #show(outcome: Outcome, context: DeferredOptions): void {
    const { added, changed, entries, gone, replaced } = outcome;
    const { timeline, view } = context;
    view.show(outcome);
    if (replaced || entries.length + gone.length > 0) {
      void this.#loadDeferred(context).then((deferred) => {
        deferred.follow(outcome);
      });
    }
    if (changed) {
      const deleted = replaced || gone.length > 0;
      const { title, status } = timeline.liveblog ?? {};
      this.#emit("update", { position: timeline.position, added, deleted, title, status });
    }
  }

  #showStatus(status: Status): void {
    if (status === "closed") {
      this.#end();
    } else {
      this.#view?.showStatus(status);
      this.#emit("status", { status });
    }
  }

  /** Not here, or not any more: what the page has for this case is shown, but no entries that may be outdated. */
  #end(): void {
    const instead = document.createElement("p");
    instead.className = "lv";
    instead.setAttribute("part", "fallback");
    instead.append(this.#view?.text("closed") ?? "", " ", link(this.#terms.fallback_url ?? this.#url, this.#url));
    this.close();
    const slot = document.createElement("slot");
    slot.append(instead);
    this.#root.replaceChildren(this.#host.querySelector("article") === null ? slot : instead);
    this.#emit("status", { status: "closed" });
  }

  /** The element's own wishes come before those that the newsroom has set for the partner. */
  #dress({ element }: WidgetView): void {
    const { scheme = "auto", ...theme } = this.#terms.theme ?? {};
    const height = `${parseInt(this.#host.getAttribute("height") ?? "", 10)}px`;
    element.dataset.scheme = this.#host.getAttribute("theme") ?? scheme;
    // A value that is no length leaves the widget as high as it is.
    element.style.setProperty("--own-height", CSS.supports("height", height) ? height : null);
    for (const [name, value] of Object.entries(theme)) {
      element.style.setProperty(`--own-${name}`, value);
    }
  }

  #emit(name: string, detail: Record<string, unknown>): void {
    this.#host.dispatchEvent(new CustomEvent(`liveblog:${name}`, { detail, bubbles: true, composed: true }));
  }
}
