/** The page to try the widget: what its controls say goes to the element beside them, and into the line to copy. */

import "./preview.css";

const form = document.querySelector("form");
const stage = document.querySelector<HTMLElement>(".stage");
const box = document.querySelector<HTMLElement>(".box");
const element = document.querySelector("live-blog");

function show(controls: HTMLFormElement, around: HTMLElement, frame: HTMLElement, widget: HTMLElement): void {
  const value = (name: string): string => (controls.elements.namedItem(name) as HTMLInputElement).value;
  const isUsual = (name: string): boolean => {
    const control = controls.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement;
    return control instanceof HTMLInputElement ? control.value === control.defaultValue : control.selectedIndex === 0;
  };
  around.dataset.around = value("around");
  frame.style.width = `${value("width")}px`;
  const attribute = (name: string): string[] => {
    const value = widget.getAttribute(name);
    return value === null ? [] : [`${name}="${value}"`];
  };
  // The element here is served by whatever name this page has; the line is for other sites' pages.
  const attributes = [`src="${around.dataset.src ?? ""}"`, ...attribute("partner")];
  for (const name of ["theme", "limit", "height"]) {
    if (isUsual(name)) {
      widget.removeAttribute(name);
    } else {
      widget.setAttribute(name, value(name));
      attributes.push(`${name}="${value(name)}"`);
    }
  }
  const variables: string[] = [];
  for (const name of ["--lv-accent", "--lv-background", "--lv-text", "--lv-font-size"]) {
    const chosen = name === "--lv-font-size" ? `${value(name)}px` : value(name);
    widget.style.setProperty(name, isUsual(name) ? null : chosen);
    if (!isUsual(name)) {
      variables.push(`${name}: ${chosen}`);
    }
  }
  for (const input of controls.querySelectorAll<HTMLInputElement>('input[type="range"]')) {
    const output = input.closest("div")?.querySelector("output");
    if (output) {
      output.textContent = input.name === "height" && input.value === "0" ? "auto" : input.value;
    }
  }
  const script = `<script async src="${around.dataset.script ?? ""}"></` + "script>";
  const style = variables.length > 0 ? `<style>live-blog { ${variables.join("; ")} }</style>\n` : "";
  const link = widget.querySelector("a")?.outerHTML ?? "";
  (controls.elements.namedItem("line") as HTMLTextAreaElement).value =
    `${script}\n${style}<live-blog ${attributes.join(" ")}>${link}</live-blog>`;
}

if (form !== null && stage !== null && box !== null && element instanceof HTMLElement) {
  const update = (): void => {
    show(form, stage, box, element);
  };
  form.addEventListener("input", update);
  form.addEventListener("click", ({ target }) => {
    const done = form.querySelector<HTMLElement>("[role=status]");
    if (target instanceof HTMLButtonElement && done !== null) {
      const line = form.elements.namedItem("line") as HTMLTextAreaElement;
      void navigator.clipboard.writeText(line.value).then(
        () => {
          done.textContent = done.dataset.done ?? "";
        },
        () => {
          line.select();
        },
      );
    }
  });
  update();
}
