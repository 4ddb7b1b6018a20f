/**
 * Takes the token of a link out of the page's address, so that it stays neither in the browser's history nor on the
 * screen, and sends it. If the address has none, the form is there for pasting a link.
 */
export function takeToken(form: HTMLFormElement): void {
  const token = location.hash.slice(1);
  const field = form.elements.namedItem("link");
  if (token === "" || !(field instanceof HTMLInputElement)) {
    return;
  }
  history.replaceState(null, "", location.pathname);
  field.value = token;
  form.requestSubmit();
}
