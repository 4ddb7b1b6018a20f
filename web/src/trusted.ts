/**
 * The only place where a text becomes HTML or the address of a script. The page's Content-Security-Policy demands Trusted Types, and
 * knows no other policy than this one (`policies.py` names it): what else is written into a page by a text, a browser throws away.
 *
 * The policy is made when it is needed first: pages of other sites, which load some of these modules, may forbid all.
 */

interface Policy {
  createHTML(html: string): string;
  createScriptURL(url: string): string;
}

const RULES: Policy = {
  // It comes from this server, which has sanitised it; and it is parsed where nothing runs.
  createHTML: (html) => html,
  createScriptURL: (url) => {
    const { origin, pathname } = new URL(url);
    if (origin === location.origin && pathname.endsWith("/live/sw.js")) {
      return url;
    }
    throw new TypeError(`${url} is no script of this site`);
  },
};

let made: Policy | undefined;

function policy(): Policy {
  const { trustedTypes } = window as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } };
  return (made ??= trustedTypes?.createPolicy("liveserver", RULES) ?? RULES);
}

/** The server's HTML as nodes that aren't in the page. */
export function parse(html: string): DocumentFragment {
  const template = document.createElement("template");
  template.innerHTML = policy().createHTML(html);
  return template.content;
}

/** Registers the service worker at the URL. */
export async function register(url: URL): Promise<void> {
  await navigator.serviceWorker.register(policy().createScriptURL(url.href));
}
