/**
 * What a page needs only once something happens: a click, a correction, a visit after a while, a key event in a hidden tab, changes
 * that the stream didn't bring. Loaded then, or a second after the page.
 */

import type { Outcome } from "../model/outcome.js";
import { SYSTEM_CLOCK } from "../stream/connection.js";
import { Repair } from "../stream/repair.js";
import { click } from "./controls.js";
import { KeyEventAlerts } from "./key-event-alerts.js";
import type { LoadMoreOptions } from "./load-more.js";
import { Mentions } from "./mentions.js";
import { tellSince } from "./since-last-visit.js";
import { Toasts, tellCorrection } from "./toasts.js";
import type { VisitMemory, Visit } from "./visit-memory.js";

export interface Context extends LoadMoreOptions {
  /** The live blog's page. */
  url: string;
  memory: VisitMemory;
  show: (outcome: Outcome) => void;
  /** Reads the whole page anew. */
  reload: () => void;
}

/** All that a page says of entries outside of their articles: to be told whatever becomes of them. And what it reads beside the stream. */
export class Deferred {
  readonly repair: Repair;
  readonly #context: Context;
  readonly #mentions: Mentions;
  readonly #alerts: KeyEventAlerts;
  readonly #toasts: Toasts;

  constructor(context: Context) {
    this.#context = context;
    this.#mentions = new Mentions(context.timeline);
    this.#alerts = new KeyEventAlerts({ ...context, mentions: this.#mentions });
    this.#toasts = new Toasts(context.texts, context.timeline.language, this.#mentions);
    const { api, timeline, show, reload } = context;
    const { language } = timeline;
    this.repair = new Repair({
      ...SYSTEM_CLOCK,
      api,
      timeline,
      snapshot: ({ next_cursor }) => {
        const older = document.querySelector<HTMLAnchorElement>("a[data-older]");
        if (older !== null && next_cursor !== null) {
          older.dataset.older = next_cursor;
        }
      },
      outcome: (outcome) => {
        if (timeline.language !== language) {
          reload();
        }
        show(outcome);
      },
      reload: () => {
        // What another page shows is not in a snapshot.
        if (timeline.page !== "first") {
          reload();
        }
        return timeline.page !== "first";
      },
    });
  }

  tell(outcome: Outcome): void {
    this.#mentions.tell(outcome);
  }

  /** Return once nothing beside the document says what was told to be otherwise. */
  settled(): Promise<void> {
    return this.#alerts.settled();
  }

  click(control: HTMLElement): Promise<void> {
    return click(control, { ...this.#context, mentions: this.#mentions, toasts: this.#toasts });
  }

  alert(added: readonly string[]): Promise<void> {
    return this.#alerts.raise(added);
  }

  correction(id: string, number: number): void {
    tellCorrection(id, number, this.#context.texts, this.#toasts);
  }

  since(visit: Visit): Promise<void> {
    return tellSince(this.#context.api, visit, { ...this.#context, toasts: this.#toasts });
  }
}
