/**
 * The only place where a text becomes HTML. The page's Content-Security-Policy demands Trusted Types, and knows no other policies
 * than those of `http/responses/security_headers.py`: what else is written into a page by a text, a browser throws away.
 *
 * A policy is made when it is needed first: pages of other sites, which load some of these modules, may forbid all.
 */

interface Html {
  createHTML(html: string): string;
}

let htmlPolicy: Html | undefined;

/** The browser's policy of that name, to be made once; the rules themselves in a browser that has none. */
export function policy<Rules>(name: string, rules: Rules): Rules {
  const { trustedTypes } = window as { trustedTypes?: { createPolicy(name: string, rules: Rules): Rules } };
  return trustedTypes?.createPolicy(name, rules) ?? rules;
}

/** The server's HTML, which it has sanitised, as nodes that aren't in the page, and in which nothing runs. */
export function parse(html: string): DocumentFragment {
  const template = document.createElement("template");
  htmlPolicy ??= policy("liveserver", { createHTML: (text) => text });
  template.innerHTML = htmlPolicy.createHTML(html);
  return template.content;
}
