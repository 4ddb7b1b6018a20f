/**
 * Makes elements of the server's HTML without the browser's parser: no sink of Trusted Types is used, so that a partner's policy
 * needs nothing for us, and whatever an entry holds, nothing but these elements and attributes gets into the partner's page.
 *
 * It reads what the server writes: whole elements in lower case, attributes in double quotes, void elements without a slash.
 */

const TOKEN = /<(\/?)([a-z][a-z\d]*)((?:\s+[^\s"=<>/]+(?:="[^"]*")?)*)\s*>|[^<]+|</g;
const ATTRIBUTE = /([^\s"=]+)(?:="([^"]*)")?/g;
/** Character references that the server writes. */
const REFERENCE = /&(#x?)?(\w+);/g;
const CHARACTERS = new Map([
  ["amp", "&"],
  ["lt", "<"],
  ["gt", ">"],
  ["quot", '"'],
]);
const VOID = /^(?:[bh]r|img)$/;
const ELEMENTS =
  /^(?:a|abbr|article|b|bdi|bdo|blockquote|br|button|cite|code|dd|del|div|dl|dt|em|fig(?:ure|caption)|footer|h[1-6]|header|hr|i|img|ins|kbd|li|mark|ol|p|pre|q|s|small|span|strong|su[bp]|time|u|ul)$/;
const ATTRIBUTES =
  /^(?:alt|aria-.+|class|cite|data-.+|datetime|decoding|dir|height|hidden|href|id|lang|loading|part|rel|reversed|role|sizes|src|srcset|start|title|type|width)$/;
const ADDRESSES = /^(?:https?|mailto|tel):/i;

export function build(html: string): DocumentFragment {
  const fragment = document.createDocumentFragment();
  const open: (Element | DocumentFragment)[] = [fragment];
  const inside = (): Element | DocumentFragment => open.at(-1) ?? fragment;
  for (const [text, end, tag, attributes] of html.matchAll(TOKEN)) {
    if (tag === undefined) {
      inside().append(plain(text));
    } else if (end) {
      const at = open.map((node) => (node as Element).localName).lastIndexOf(tag);
      if (at > 0) {
        open.length = at;
      }
    } else if (ELEMENTS.test(tag)) {
      const element = document.createElement(tag);
      for (const [, key = "", value = ""] of (attributes ?? "").matchAll(ATTRIBUTE)) {
        setAttribute(element, key, plain(value));
      }
      inside().append(element);
      if (!VOID.test(tag)) {
        open.push(element);
      }
    }
  }
  return fragment;
}

function setAttribute(element: Element, name: string, value: string): void {
  const leads = name === "href" || name === "src" || name === "cite";
  if (ATTRIBUTES.test(name) && (!leads || ADDRESSES.test(value))) {
    element.setAttribute(name, value);
  }
}

function plain(text: string): string {
  return text.replace(REFERENCE, (whole, number: string | undefined, name: string) =>
    number === undefined
      ? (CHARACTERS.get(name) ?? whole)
      : String.fromCharCode(parseInt(name, number === "#" ? 10 : 16)),
  );
}
