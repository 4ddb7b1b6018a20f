const SPREAD_MS = 3_000;
const INTERVAL_MS = 30_000;

/** Reads the page anew: spread, since every reader of the live blog may do so at once, and never in a tight loop. */
export function reload(): void {
  const wait = Math.max(0, INTERVAL_MS - performance.now());
  window.setTimeout(
    () => {
      location.reload();
    },
    wait + Math.random() * SPREAD_MS,
  );
}
