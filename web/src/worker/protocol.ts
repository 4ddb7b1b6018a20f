/** The messages of a page to the service worker, and the copies that one is about. */

/** A message to the service worker, of a live blog by the URL of its page. */
export type WorkerMessage =
  /** A copy is to be made of the page at the URL `keep`, no older than the position. */
  | { keep: string; of: string; position: string; assets: string[] }
  /** Copies are to go. */
  | { drop: string }
  /** Notifications are to go: of the page that has the lock `holder`, else of pages that are no more. */
  | { alerts: string; holder?: string };

/** The data of a notification: the page that it leads to, and the lock of the page that raised it. */
export interface AlertData {
  url: string;
  holder: string;
}

/** The requests for pages of the live blog whose page is at `url`. */
export function copiesOf(requests: readonly Request[], url: string): Request[] {
  return requests.filter((request) => request.url.startsWith(url) && /^($|[/?])/.test(request.url.slice(url.length)));
}
