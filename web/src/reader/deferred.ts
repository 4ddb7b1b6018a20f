/**
 * The part of a page that it needs only once something happens: a click, a correction, a visit after a while, a key event in a hidden tab, changes
 * that the stream didn't bring. Loaded then, or a second after the page.
 */

import type { Snapshot } from "../model/messages.js";
import type { Outcome } from "../model/outcome.js";
import { Repair, type RepairParts } from "../stream/repair.js";
import { click } from "./controls.js";
import { KeyEventAlerts } from "./key-event-alerts.js";
import type { LoadMoreOptions } from "./load-more.js";
import { Mentions } from "./mentions.js";
import { reload } from "./reload.js";
import { tellSince } from "./since-last-visit.js";
import { tellCorrection, Toasts } from "./toasts.js";
import type { Visit, VisitMemory } from "./visit-memory.js";

export interface Context extends LoadMoreOptions {
  /** The live blog's page. */
  url: string;
  memory: VisitMemory;
}

/** All that a page says of entries outside of their articles: to be told whatever becomes of them. */
export class Deferred implements RepairParts {
  readonly Repair = Repair;
  readonly #context: Context;
  /** The language of the page's texts. */
  readonly #language: string;
  readonly #mentions: Mentions;
  readonly #alerts: KeyEventAlerts;
  readonly #toasts: Toasts;

  constructor(context: Context) {
    this.#context = context;
    this.#language = context.timeline.language;
    this.#mentions = new Mentions(context.timeline);
    this.#alerts = new KeyEventAlerts({ ...context, mentions: this.#mentions });
    this.#toasts = new Toasts(context.texts, this.#language, this.#mentions);
  }

  /** Take the cursor of a snapshot, with which the timeline is about to start afresh. */
  startAfresh({ next_cursor }: Snapshot): void {
    const older = document.querySelector<HTMLAnchorElement>("a[data-older]");
    if (older !== null && next_cursor !== null) {
      older.dataset.older = next_cursor;
    }
  }

  tell(outcome: Outcome): void {
    if (outcome.replaced && this.#context.timeline.language !== this.#language) {
      reload();
    }
    this.#mentions.tell(outcome);
  }

  /** Return once nothing beside the document says what was told to be otherwise. */
  settled(): Promise<void> {
    return this.#alerts.settled();
  }

  click(control: HTMLElement): Promise<void> {
    return click(control, { ...this.#context, mentions: this.#mentions, toasts: this.#toasts });
  }

  /** Loads what is left where nothing of what was loaded is: on the side where the list goes on. */
  async refill(): Promise<void> {
    const link = [...document.querySelectorAll<HTMLElement>("p:not([hidden]) > :is([data-newer], [data-older])")].at(
      -1,
    );
    if (link !== undefined) {
      await this.click(link);
    }
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
