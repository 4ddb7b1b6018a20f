/** Does what the timeline asks for: reads `changes` or a snapshot, one at a time, ever more slowly while nothing comes of it. */

import { parseSnapshot, type Snapshot } from "../model/messages.js";
import type { Effect, Outcome } from "../model/outcome.js";
import type { Timeline } from "../model/timeline.js";
import { fetchBatch } from "./changes-api.js";
import { endpoint, fetchJson } from "./transports.js";

export interface RepairOptions {
  api: string;
  timeline: Timeline;
  outcome(outcome: Outcome): void;
  /** Called when the page starts afresh, before its outcome. */
  snapshot(snapshot: Snapshot): void;
  /** Reads the whole page anew where a snapshot can't help: true if it will. */
  reload(): boolean;
  random(): number;
  setTimeout(callback: () => void, ms: number): unknown;
}

const DELAY_MAX_MS = 30_000;
const DELAY_STEP_MS = 500;
const SNAPSHOT_MAX = 100;
const SNAPSHOT_MIN = 20;

export class Repair {
  #wanted: Effect | null = null;
  #running = false;
  /** How often in a row it failed, or didn't bring us further. */
  #fruitless = 0;
  readonly #options: RepairOptions;

  constructor(options: RepairOptions) {
    this.#options = options;
  }

  /** A snapshot does for a resync too, not the other way round. */
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
    this.#options.setTimeout(() => void this.#run(), this.#options.random() * ceiling);
  }

  async #run(): Promise<void> {
    const effect = this.#wanted;
    this.#wanted = null;
    if (effect === null) {
      this.#running = false;
      return;
    }
    if (effect === "snapshot" && this.#options.reload()) {
      return;
    }
    const before = this.#options.timeline.position;
    try {
      const outcome = effect === "snapshot" ? await this.#snapshot() : await this.#resync();
      this.#fruitless = this.#options.timeline.position === before ? this.#fruitless + 1 : 0;
      this.#options.outcome(outcome);
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
    const { api, timeline } = this.#options;
    return timeline.applyBatch(await fetchBatch(api, timeline.position));
  }

  /** As many entries as the reader has loaded, so that the page doesn't shrink under them. */
  async #snapshot(): Promise<Outcome> {
    const { api, timeline } = this.#options;
    const limit = Math.min(SNAPSHOT_MAX, Math.max(SNAPSHOT_MIN, timeline.entries().length));
    const snapshot = parseSnapshot(await fetchJson(endpoint(api, "snapshot", { limit: String(limit) })));
    this.#options.snapshot(snapshot);
    return timeline.replace(snapshot);
  }
}
