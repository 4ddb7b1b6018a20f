/** True while the page's tab is in front. */
export function isVisible(): boolean {
  return document.visibilityState === "visible";
}
