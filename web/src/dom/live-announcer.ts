/** Tells screen readers how many entries have come: politely, and many at once rather than one by one. */

export interface LiveAnnouncerClock {
  now(): number;
  setTimeout(callback: () => void, ms: number): number;
}

const GATHER_MS = 1_000;
const PAUSE_MS = 20_000;

export class LiveAnnouncer {
  #count = 0;
  #waiting = false;
  #last = -Infinity;
  readonly #say: (count: number) => void;
  readonly #clock: LiveAnnouncerClock;

  constructor(say: (count: number) => void, clock: LiveAnnouncerClock) {
    this.#say = say;
    this.#clock = clock;
  }

  add(count: number): void {
    this.#count += count;
    if (this.#count === 0 || this.#waiting) {
      return;
    }
    this.#waiting = true;
    const wait = Math.max(GATHER_MS, this.#last + PAUSE_MS - this.#clock.now());
    this.#clock.setTimeout(() => {
      this.#waiting = false;
      this.#last = this.#clock.now();
      this.#say(this.#count);
      this.#count = 0;
    }, wait);
  }
}
