/** Tells the reader that the connection is lost, once that has lasted for a while. */

const AFTER_MS = 5_000;

export class ConnectionIndicator {
  #timer: number | undefined;
  readonly element: HTMLElement;

  constructor(element: HTMLElement) {
    this.element = element;
  }

  /** `now`: it isn't only a matter of moments. */
  show(text: string, now: boolean): void {
    // It may be read aloud whenever it is written, the same words too.
    if (this.element.textContent !== text) {
      this.element.textContent = text;
    }
    if (now) {
      this.element.hidden = false;
    }
    // One date for the whole outage, however often a retry fails in it.
    this.#timer ??= window.setTimeout(() => {
      this.element.hidden = false;
    }, AFTER_MS);
  }

  hide(): void {
    this.rest();
    this.element.hidden = true;
  }

  /** Forget the text that waits to be shown; one that is shown stays. */
  rest(): void {
    window.clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
