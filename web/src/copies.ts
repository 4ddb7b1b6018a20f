/** What the page and the service worker both know of the copies. */

export const PAGES = "liveserver-pages";

/** Of the requests those for pages of the live blog whose page is at `url`. */
export function copiesOf(requests: readonly Request[], url: string): Request[] {
  return requests.filter((request) => request.url.startsWith(url) && /^($|[/?])/.test(request.url.slice(url.length)));
}
