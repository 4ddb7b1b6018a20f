/**
 * Keeps a live blog's changes coming: WebSocket, else SSE, else polling; with back-off, a watchdog, and rest while the page
 * is away. It knows when to connect, not what the messages say of entries.
 */

import type { Batch, Confirmation, Message } from "../model/messages.js";
import { type Link, type Opener, openLazily, openWebSocket } from "./transports.js";

/** `closed` is final: the server said not to come back. */
export type Status = "connecting" | "live" | "offline" | "closed";

export interface Clock {
  now(): number;
  /** 0 ≤ random < 1. */
  random(): number;
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(id: number | undefined): void;
}

export interface Options {
  /** The absolute URL of the live blog in the API. */
  api: string;
  /** The reader's position now. */
  position: () => string;
  message(message: Message): void;
  batch(batch: Batch): void;
  status(status: Status): void;
  clock?: Clock;
  /** The transports, from the best to the last resort. */
  openers?: readonly Opener[];
}

const BACKOFF_MIN_MS = 1_000;
const BACKOFF_MAX_MS = 15_000;
/** A connection that has lived so long was a good one: the back-off begins anew after it. */
const STABLE_MS = 5_000;
const OPEN_TIMEOUT_MS = 15_000;
const FAILURES_TO_FALL_BACK = 2;
/** The same for a transport that has worked on this page: more likely the server is restarting. */
const FAILURES_TO_GIVE_UP = 6;
const FALL_BACK_MS = 2_000;
const UPGRADE_AFTER_MS = 120_000;
const WATCHDOG_HEARTBEATS = 2.5;

const fallback = (name: "openEvents" | "openPolling"): Opener =>
  openLazily(() => import("./fallback-transports.js").then((all) => all[name]));
const OPENERS = [openWebSocket, fallback("openEvents"), fallback("openPolling")];

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  setTimeout: (callback, ms) => window.setTimeout(callback, ms),
  clearTimeout: (id) => {
    window.clearTimeout(id);
  },
};

/** `resting`: suspended, or not started. `waiting`: for the back-off or the server's date. `closed`: for good. */
type State = "resting" | "waiting" | "opening" | "open" | "closed";

export class Connection {
  #state: State = "resting";
  #link: Link | null = null;
  #visible = true;
  #level = 0;
  #failures = 0;
  readonly #worked = new Set<number>();
  #attempts = 0;
  #openedAt = 0;
  #heartbeatMs = 0;
  #lastHeard = 0;
  /** The date that a server which is going away, or has too much to do, gave us, or 0: sooner, everyone would come at once. */
  #notBefore = 0;
  /** The time until a stream is tried again where the server has one too many, longer each time; 0 where it hasn't. */
  #fullMs = 0;
  #retryTimer: number | undefined;
  #watchdogTimer: number | undefined;
  #upgradeTimer: number | undefined;
  readonly #options: Options;
  readonly #clock: Clock;
  readonly #openers: readonly Opener[];

  constructor(options: Options) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#openers = options.openers ?? OPENERS;
  }

  /** Connect, at first or after `suspend`. */
  start(): void {
    if (this.#state === "resting") {
      this.#open();
    }
  }

  /** The page goes away, perhaps into the back/forward cache: hold no socket. */
  suspend(): void {
    if (this.#state !== "closed") {
      this.#drop();
      this.#state = "resting";
    }
  }

  /** Confirm a deletion, by whatever way there is now. */
  confirm(confirmation: Confirmation): void {
    this.#link?.confirm(confirmation);
  }

  /** Drop what there is and connect again at once; not sooner than a server that went away asked for. */
  restart(): void {
    if (this.#state !== "closed" && this.#state !== "resting" && this.#clock.now() >= this.#notBefore) {
      this.#drop();
      this.#attempts = 0;
      this.#open();
    }
  }

  /** The network is said to be back: what failed without it proves nothing about the transports. */
  online(): void {
    this.#level = 0;
    this.#failures = 0;
    this.restart();
  }

  offline(): void {
    if (this.#state !== "closed" && this.#state !== "resting") {
      this.#options.status("offline");
    }
  }

  /** Hidden pages have no deadline (their timers are slowed down); a page that is shown again checks for a dead connection. */
  setVisible(visible: boolean): void {
    this.#visible = visible;
    if (!visible) {
      this.#clock.clearTimeout(this.#watchdogTimer);
    } else if (this.#state === "waiting" || (this.#state === "open" && this.#silence() > this.#heartbeatMs * 1.2)) {
      this.restart();
    } else {
      this.#watch();
    }
  }

  #open(): void {
    this.#state = "opening";
    this.#notBefore = 0;
    this.#options.status("connecting");
    const opener = this.#openers[this.#level] ?? openWebSocket;
    // A constructor may call back before it returns; what it says is of this attempt only.
    let link: Link | null = null;
    const current = (): boolean => link === null || link === this.#link;
    this.#retryTimer = this.#clock.setTimeout(() => {
      this.#end(0);
    }, OPEN_TIMEOUT_MS);
    try {
      link = opener(this.#options.api, this.#options.position, {
        message: (message) => {
          if (current()) {
            this.#message(message);
          }
        },
        batch: (batch) => {
          if (current()) {
            this.#opened(0);
            this.#options.batch(batch);
          }
        },
        end: (code, wait) => {
          if (current()) {
            this.#end(code ?? 0, wait);
          }
        },
      });
      this.#link = link;
    } catch {
      // A browser without this transport, or a page whose policy forbids it.
      this.#end(0);
    }
  }

  #message(message: Message): void {
    this.#lastHeard = this.#clock.now();
    if (message.type === "hello") {
      this.#opened(message.heartbeat * 1_000);
    } else if (message.type === "reconnect") {
      this.#leave(message.after_ms);
      return;
    }
    this.#watch();
    this.#options.message(message);
  }

  /** Leaves at the server's date. It goes on delivering until then, and would end the connection itself. */
  #leave(ms: number): void {
    this.#notBefore = this.#clock.now() + ms;
    this.#clock.clearTimeout(this.#retryTimer);
    this.#retryTimer = this.#clock.setTimeout(() => {
      this.#drop();
      this.#open();
    }, ms);
  }

  #opened(heartbeatMs: number): void {
    this.#heartbeatMs = heartbeatMs;
    if (this.#state !== "opening") {
      return;
    }
    this.#state = "open";
    this.#failures = 0;
    this.#worked.add(this.#level);
    this.#clock.clearTimeout(this.#retryTimer);
    this.#openedAt = this.#clock.now();
    if (heartbeatMs > 0) {
      this.#fullMs = 0;
    }
    if (this.#level > 0) {
      this.#upgradeTimer = this.#clock.setTimeout(
        () => {
          this.#level = 0;
          this.#failures = FAILURES_TO_FALL_BACK - 1;
          this.#worked.delete(0);
          this.restart();
        },
        (this.#fullMs || UPGRADE_AFTER_MS) * (1 + this.#clock.random()),
      );
    }
    this.#options.status("live");
  }

  #end(code: number, wait = 0): void {
    const wasOpening = this.#state === "opening";
    this.#drop();
    if (code >= 4500 && code <= 4999) {
      this.#state = "closed";
      this.#options.status("closed");
      return;
    }
    if (wait > 0) {
      const last = this.#openers.length - 1;
      if (this.#level < last) {
        // A stream too many. A poll is none.
        this.#fullMs = Math.min(this.#fullMs * 2 || wait, UPGRADE_AFTER_MS);
        this.#level = last;
        this.#open();
        return;
      }
      // It says nothing against polling, which goes on; later each time, as the others were told the same.
      this.#notBefore = this.#clock.now() + wait + this.#backOff(BACKOFF_MAX_MS);
    }
    if (this.#notBefore > 0) {
      this.#wait(this.#notBefore - this.#clock.now());
      return;
    }
    const fellBack = wasOpening && this.#failed();
    // Another transport is tried soon: nothing has been held against it yet.
    this.#wait(this.#backOff(fellBack ? FALL_BACK_MS : BACKOFF_MAX_MS));
  }

  /** The time to wait, a random part of one that doubles up to a ceiling. */
  #backOff(ceiling: number): number {
    return this.#clock.random() * Math.min(ceiling, BACKOFF_MIN_MS * 2 ** this.#attempts++);
  }

  /** Counts a failure to open; true if the next transport's turn has come. */
  #failed(): boolean {
    this.#failures += 1;
    const last = this.#openers.length - 1;
    if (this.#level === last) {
      // Not even polling: the network is down, which says nothing against the better transports.
      this.#level = 0;
      this.#failures = 0;
      return false;
    }
    if (this.#failures < (this.#worked.has(this.#level) ? FAILURES_TO_GIVE_UP : FAILURES_TO_FALL_BACK)) {
      return false;
    }
    this.#level += 1;
    this.#failures = 0;
    return true;
  }

  #wait(ms: number): void {
    this.#state = "waiting";
    this.#options.status("connecting");
    this.#retryTimer = this.#clock.setTimeout(() => {
      this.#open();
    }, ms);
  }

  #watch(): void {
    this.#clock.clearTimeout(this.#watchdogTimer);
    if (this.#visible && this.#state === "open" && this.#heartbeatMs > 0) {
      this.#watchdogTimer = this.#clock.setTimeout(() => {
        this.#end(0);
      }, this.#heartbeatMs * WATCHDOG_HEARTBEATS);
    }
  }

  #silence(): number {
    return this.#heartbeatMs > 0 ? this.#clock.now() - this.#lastHeard : 0;
  }

  #drop(): void {
    if (this.#state === "open" && this.#clock.now() - this.#openedAt >= STABLE_MS) {
      this.#attempts = 0;
    }
    const link = this.#link;
    this.#link = null;
    link?.close();
    this.#clock.clearTimeout(this.#retryTimer);
    this.#clock.clearTimeout(this.#watchdogTimer);
    this.#clock.clearTimeout(this.#upgradeTimer);
  }
}
