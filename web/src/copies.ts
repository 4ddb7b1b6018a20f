/** What the page and the service worker both know of the copies. */

export const PAGES = "liveserver-pages";

/** What a page says to the service worker, each of a live blog by the URL of its page. */
export type Word =
  /** A copy is to be made of the page at the URL `keep`, no older than the position. */
  | { keep: string; of: string; position: string; assets: string[] }
  /** Copies are to go. */
  | { drop: string }
  /** Notifications are to go. */
  | { alerts: string };

/** Of the requests those for pages of the live blog whose page is at `url`. */
export function copiesOf(requests: readonly Request[], url: string): Request[] {
  return requests.filter((request) => request.url.startsWith(url) && /^($|[/?])/.test(request.url.slice(url.length)));
}
