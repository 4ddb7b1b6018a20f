/** What a page needs only once something happens: a click, a correction, a visit after a while, a key event in a hidden tab. */

import { alertReader } from "./alerts.js";
import { click } from "./clicks.js";
import type { Memory, Visit } from "./memory.js";
import { Mentions } from "./mentions.js";
import type { MoreOptions } from "./more.js";
import { Notices, tellCorrection } from "./notices.js";
import { tellSince } from "./since.js";
import type { Outcome } from "./timeline.js";

export interface Context extends MoreOptions {
  /** The live blog's page. */
  url: string;
  memory: Memory;
}

/** All that a page says of entries outside of their articles. To be told whatever becomes of them. */
export class Extras {
  readonly #context: Context;
  readonly #mentions: Mentions;
  readonly #notices: Notices;

  constructor(context: Context) {
    this.#context = context;
    this.#mentions = new Mentions(context.timeline);
    this.#notices = new Notices(context.texts, context.timeline.language, this.#mentions);
  }

  tell(outcome: Outcome): void {
    this.#mentions.tell(outcome);
  }

  click(control: HTMLElement): Promise<void> {
    return click(control, { ...this.#context, mentions: this.#mentions, notices: this.#notices });
  }

  alert(added: readonly string[]): Promise<void> {
    return alertReader(added, { ...this.#context, mentions: this.#mentions });
  }

  correction(id: string, number: number): void {
    tellCorrection(id, number, this.#context.texts, this.#notices);
  }

  since(visit: Visit): Promise<void> {
    return tellSince(this.#context.api, visit, { ...this.#context, notices: this.#notices });
  }
}
