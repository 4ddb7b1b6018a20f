/** What a page says to the service worker, and which copies a word is of. */

/** What a page says to the service worker, each of a live blog by the URL of its page. */
export type Word =
  /** A copy is to be made of the page at the URL `keep`, no older than the position. */
  | { keep: string; of: string; position: string; assets: string[] }
  /** Copies are to go. */
  | { drop: string }
  /** Notifications are to go: of the page that has the lock `holder`, else of pages that are no more. */
  | { alerts: string; holder?: string };

/** What a notification carries: which page it leads to, and which lock the page holds that raised it. */
export interface Raised {
  url: string;
  holder: string;
}

/** Of the requests those for pages of the live blog whose page is at `url`. */
export function copiesOf(requests: readonly Request[], url: string): Request[] {
  return requests.filter((request) => request.url.startsWith(url) && /^($|[/?])/.test(request.url.slice(url.length)));
}
