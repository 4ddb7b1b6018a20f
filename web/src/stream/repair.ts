/** Does what the timeline asks for: reads `changes` or a snapshot, one at a time, ever more slowly while nothing comes of it. */

import type { Snapshot } from "../model/messages.js";
import type { Effect, Outcome } from "../model/outcome.js";
import type { Timeline } from "../model/timeline.js";
import { fetchBatch } from "./changes-api.js";
import { parseSnapshot } from "./snapshot-api.js";
import { fetchJson } from "./transports.js";

/** The session that is repaired: see `LiveSession`. */
export interface Repairable {
  options: {
    api: string;
    timeline: Timeline;
    reload?: () => void;
  };
  apply(outcome: Outcome): void;
  within(ms: number, callback: () => void): void;
}

/** The parts of a session that are loaded for its first repair. */
export interface RepairParts {
  Repair: typeof Repair;
  /** Called when the timeline is about to start afresh, from a snapshot. */
  startAfresh(snapshot: Snapshot): void;
}

const DELAY_MAX_MS = 30_000;
const DELAY_STEP_MS = 500;
const SNAPSHOT_MAX = 100;
const SNAPSHOT_MIN = 20;

export class Repair {
  #wanted: Effect | null = null;
  #running = false;
  /** The number of times in a row that it failed, or didn't bring us further. */
  #fruitless = 0;
  readonly #session: Repairable;
  readonly #parts: Pick<RepairParts, "startAfresh">;

  constructor(session: Repairable, parts: Pick<RepairParts, "startAfresh">) {
    this.#session = session;
    this.#parts = parts;
  }

  /** Ask for effects. A snapshot does for a resync too, not the other way round. */
  request(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect === "snapshot" || this.#wanted === null) {
        this.#wanted = effect;
      }
    }
    if (this.#wanted !== null && !this.#running) {
      this.#running = true;
      this.#schedule();
    }
  }

  #schedule(): void {
    const ceiling = this.#fruitless === 0 ? 0 : Math.min(DELAY_MAX_MS, DELAY_STEP_MS * 2 ** this.#fruitless);
    this.#session.within(ceiling, () => void this.#run());
  }

  async #run(): Promise<void> {
    const effect = this.#wanted;
    this.#wanted = null;
    if (effect === null) {
      this.#running = false;
      return;
    }
    const { timeline, reload } = this.#session.options;
    if (effect === "snapshot" && timeline.page !== "first") {
      // A snapshot has only the first page's entries.
      reload?.();
      return;
    }
    const before = timeline.position;
    try {
      const outcome = effect === "snapshot" ? await this.#snapshot() : await this.#resync();
      this.#fruitless = timeline.position === before ? this.#fruitless + 1 : 0;
      this.#session.apply(outcome);
      this.request(outcome.effects);
    } catch {
      this.#fruitless += 1;
      this.request([effect]);
    }
    this.#continue();
  }

  #continue(): void {
    if (this.#wanted === null) {
      this.#running = false;
      this.#fruitless = 0;
    } else {
      this.#schedule();
    }
  }

  async #resync(): Promise<Outcome> {
    const { api, timeline } = this.#session.options;
    return timeline.applyBatch(await fetchBatch(api, timeline.position));
  }

  /** Reads as many entries as the reader has loaded, so that the page doesn't shrink under them. */
  async #snapshot(): Promise<Outcome> {
    const { api, timeline } = this.#session.options;
    const limit = Math.min(SNAPSHOT_MAX, Math.max(SNAPSHOT_MIN, timeline.entries().length));
    const snapshot = parseSnapshot(await fetchJson(api, "snapshot", { limit }));
    this.#parts.startAfresh(snapshot);
    return timeline.replace(snapshot);
  }
}
