/** A live blog in a partner's page: reads it, keeps it live, and tells the page of it by events of its element. */

import { type Confirmation, parseSnapshot, type Snapshot } from "../model/messages.js";
import { nothing, type Outcome } from "../model/outcome.js";
import { stateOf } from "../model/timeline-state.js";
import { Timeline } from "../model/timeline.js";
import { Connection, type Status } from "../stream/connection.js";
import { endpoint, fetchJson } from "../stream/transports.js";
import { shownArticles } from "../dom/reconcile.js";
import type { Deferred } from "./deferred.js";
import type { Mounted } from "./element.js";
import { isVisible, link, WidgetView, type WidgetShell, type PartnerTerms } from "./widget-view.js";
import css from "./widget.css?inline";

const LIMIT = 20;
const LIMIT_MAX = 100;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 30_000;
const EVENTS = ["visibilitychange", "online", "offline", "pagehide", "pageshow"];
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
  #connection: Connection | null = null;
  /** What a resync would have done later, had the element not been taken out. */
  #parked: (() => void)[] = [];
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
    for (const type of EVENTS) {
      window.addEventListener(type, this);
    }
    if (this.#connection === null) {
      void this.#load();
    } else {
      this.#wake(this.#connection);
    }
  }

  suspend(): void {
    this.#running = false;
    for (const type of EVENTS) {
      window.removeEventListener(type, this);
    }
    clearTimeout(this.#retryTimer);
    this.#connection?.suspend();
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

  handleEvent({ type }: Event): void {
    const connection = this.#connection;
    if (type === "online") {
      connection?.online();
    } else if (type === "offline") {
      connection?.offline();
    } else if (type === "pagehide") {
      connection?.suspend();
    } else if (type === "pageshow") {
      connection?.start();
    } else {
      connection?.setVisible(isVisible());
      this.#view?.look();
    }
  }

  #wake(connection: Connection): void {
    connection.setVisible(isVisible());
    connection.start();
    this.#parked.splice(0).forEach((callback) => {
      callback();
    });
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
      const words = this.#host.getAttribute("lang");
      const query = partner ? `?partner=${encodeURIComponent(partner)}` : "";
      this.#url = `${base}/live/${slug}`;
      this.#api = `${base}/api/v1/liveblogs/${slug}${query}`;
      if (partner) {
        this.#terms = (await fetchJson(endpoint(this.#api, "embed", {})).catch(() => ({}))) as PartnerTerms;
      }
      const [snapshot, shell] = await Promise.all([
        fetchJson(endpoint(this.#api, "snapshot", { limit: String(this.#limit) })).then(parseSnapshot),
        fetchJson(endpoint(`${base}/embed/${slug}${query}`, "shell.json", words ? { lang: words } : {})),
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
    const { liveblog } = snapshot;
    const timeline = new Timeline(
      { ...stateOf(snapshot), page: "first", apart: true, focus: null },
      ({ heading }) => heading ?? "",
    );
    timeline.liveblog = liveblog;
    const copies = shownArticles(this.#host);
    const view = new WidgetView(timeline, shell, this.#limit);
    let more: Deferred | undefined;
    const extras = async (): Promise<Deferred> => {
      const module = await import("./deferred.js");
      const tell = (gone: Confirmation): void => {
        connection.confirm(gone);
      };
      const say = (count: number): void => {
        view.say(count);
      };
      const options = { api: this.#api, limit: this.#limit, timeline, copies, show, later, tell, say };
      return (more ??= new module.Deferred(options, snapshot.next_cursor));
    };
    view.older = async () => (await extras()).older();
    /** What is to be done with a part that may have to be loaded, again and again where that fails. */
    const withMore = (act: (made: Deferred) => void): void => {
      extras().then(act, () => {
        later(
          () => {
            withMore(act);
          },
          RETRY_MIN_MS + Math.random() * RETRY_MAX_MS,
        );
      });
    };
    if (copies.size > 0) {
      // A fragment has entries in the element: a copy that grows old, as does what it quotes of those that are otherwise by now.
      this.#host.replaceChildren();
      withMore((made) => {
        void made.compare();
      });
    }
    const show = (outcome: Outcome): void => {
      view.show(outcome);
      if (outcome.replaced || [...outcome.entries, ...outcome.gone, ...outcome.effects].length > 0) {
        withMore((made) => {
          made.follow(outcome);
        });
      }
      if (outcome.changed) {
        const { added } = outcome;
        const deleted = outcome.replaced || outcome.gone.length > 0;
        const { title, status } = timeline.liveblog ?? liveblog;
        this.#emit("update", { position: timeline.position, added, deleted, title, status });
      }
    };
    const later = (callback: () => void, ms: number): number =>
      window.setTimeout(() => {
        if (this.#running) {
          callback();
        } else {
          this.#parked.push(callback);
        }
      }, ms);
    const connection = new Connection({
      api: this.#api,
      position: () => timeline.position,
      message: (message) => {
        show(timeline.receive(message));
      },
      batch: (batch) => {
        show(timeline.applyBatch(batch));
      },
      status: (status) => {
        this.#tell(status);
      },
    });
    this.#view = view;
    this.#connection = connection;
    this.#dress(view);
    const { attribution } = this.#terms;
    if (attribution) {
      view.add(link(attribution.url, attribution.text));
    }
    this.#root.replaceChildren(view.element);
    this.#wake(connection);
    show({ ...nothing(), changed: true });
  }

  #tell(status: Status): void {
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
    const height = `${String(parseInt(this.#host.getAttribute("height") ?? "", 10))}px`;
    element.dataset.scheme = this.#host.getAttribute("theme") ?? scheme;
    // What is no length leaves it as high as it is.
    element.style.setProperty("--own-height", CSS.supports("height", height) ? height : null);
    for (const [name, value] of Object.entries(theme)) {
      element.style.setProperty(`--own-${name}`, value);
    }
  }

  #emit(name: string, detail: Record<string, unknown>): void {
    this.#host.dispatchEvent(new CustomEvent(`liveblog:${name}`, { detail, bubbles: true, composed: true }));
  }
}
