/**
 * A live blog that is kept as the server has it: messages go into the timeline, gaps are repaired, deletions confirmed. Pages and
 * widgets differ in how they show it.
 */

import type { Confirmation } from "../model/messages.js";
import type { Outcome } from "../model/outcome.js";
import type { Timeline } from "../model/timeline.js";
import { type Clock, Connection, type Status, SYSTEM_CLOCK } from "./connection.js";
import type { Repair, RepairParts } from "./repair.js";
import type { Opener } from "./transports.js";
import { isVisible } from "./visibility.js";

export interface SessionOptions {
  /** The absolute URL of the live blog in the API. */
  api: string;
  timeline: Timeline;
  status: (status: Status) => void;
  show: (outcome: Outcome) => void;
  /** Called when the page's tab is put in front, or away. */
  turned?: () => void;
  /** Kept once nothing shows the deleted entry any more, wherever that is; at once by default. */
  hidden?: (id: string) => Promise<void>;
  /** Loads the code that reads what is missing. */
  loadRepair: () => Promise<RepairParts>;
  /** Reads the whole page anew: where a snapshot can't help, or the code for repairs isn't to be had. */
  reload?: () => void;
  clock?: Clock;
  /** The transports, from the best to the last resort. */
  openers?: readonly Opener[];
}

/** Events by which the window tells of itself and of the network. */
const EVENTS = ["visibilitychange", "online", "offline", "pagehide", "pageshow"];

export class LiveSession {
  readonly options: SessionOptions;
  #running = false;
  /** Callbacks that fell due while the session was suspended. */
  #overdue: (() => void)[] = [];
  #repair: Repair | undefined;
  readonly #clock: Clock;
  readonly #connection: Connection;

  constructor(options: SessionOptions) {
    const { timeline } = options;
    this.options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#connection = new Connection({
      ...options,
      position: () => timeline.position,
      message: (message) => {
        this.apply(timeline.receive(message));
      },
      batch: (batch) => {
        this.apply(timeline.applyBatch(batch));
      },
    });
  }

  /** Connect, at first or after `suspend`. */
  start(): void {
    this.#running = true;
    for (const type of EVENTS) {
      window.addEventListener(type, this);
    }
    this.#connection.setVisible(isVisible());
    this.#connection.start();
    this.#overdue.splice(0).forEach((callback) => {
      callback();
    });
  }

  /** Do nothing until the next `start`. */
  suspend(): void {
    this.#running = false;
    for (const type of EVENTS) {
      window.removeEventListener(type, this);
    }
    this.#connection.suspend();
  }

  /** Calls back at some moment within so many milliseconds; later, when the session runs again, if it is suspended by then. */
  within(ms: number, callback: () => void): void {
    this.#clock.setTimeout(() => {
      if (this.#running) {
        callback();
      } else {
        this.#overdue.push(callback);
      }
    }, this.#clock.random() * ms);
  }

  handleEvent({ type }: Event): void {
    const connection = this.#connection;
    if (type === "online") {
      connection.online();
    } else if (type === "offline") {
      connection.offline();
    } else if (type === "pagehide") {
      connection.suspend();
    } else if (type === "pageshow") {
      connection.start();
    } else {
      connection.setVisible(isVisible());
      this.options.turned?.();
    }
  }

  /** Show an outcome, and do what follows from it. */
  apply(outcome: Outcome): void {
    const { loadRepair, reload, show } = this.options;
    show(outcome);
    for (const { within, ...confirmation } of outcome.gone) {
      if (within !== undefined) {
        this.within(within, () => void this.#confirm(confirmation));
      }
    }
    if (outcome.effects.length > 0) {
      void loadRepair().then((parts) => {
        this.#repair ??= new parts.Repair(this, parts);
        this.#repair.request(outcome.effects);
      }, reload);
    }
  }

  async #confirm(confirmation: Confirmation): Promise<void> {
    await this.options.hidden?.(confirmation.id);
    this.#connection.confirm(confirmation);
  }
}
