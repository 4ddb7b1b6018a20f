/** Makes a button, which is hidden without scripts, show and hide the password in the field beside it. */
export function showsPassword(button: HTMLButtonElement): void {
  const field = button.parentElement?.querySelector("input");
  if (!field) {
    return;
  }
  const show = (shown: boolean): void => {
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
  };
  button.hidden = false;
  show(false);
  button.addEventListener("click", () => {
    show(field.type === "password");
  });
  // Browsers remember what was typed into a field of text.
  field.form?.addEventListener("submit", () => {
    show(false);
  });
}
