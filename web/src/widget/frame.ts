/**
 * The page that partners show in a frame: tells the page around it how high it is. In our own words, which v1.js understands, and
 * in WordPress's (wp-embed.js), which gives a frame a secret in its address and wants it in every message.
 */

import "./frame.css";

const secret = /^#\?secret=([A-Za-z\d]+)$/.exec(location.hash)?.[1];
let lastHeight = 0;

function tell(again = false): void {
  const height = Math.ceil(document.body.getBoundingClientRect().height);
  if (height === lastHeight && !again) {
    return;
  }
  lastHeight = height;
  // It is no secret how high we are, and a sandboxed parent has no origin to name.
  parent.postMessage({ type: "liveblog:height", height }, "*");
  if (secret !== undefined) {
    parent.postMessage({ message: "height", value: height, secret }, "*");
  }
}

// Once the widget lives, what the server had written is a copy that grows old.
document.addEventListener("liveblog:update", ({ target }) => {
  (target as Element).replaceChildren();
});

if (parent !== window) {
  // WordPress keeps a frame hidden until it has spoken, and what is hidden isn't observed.
  tell();
  new ResizeObserver(() => {
    tell();
  }).observe(document.body);
  window.addEventListener("message", ({ source, data }: MessageEvent<{ message?: unknown } | null>) => {
    if (source === parent && data?.message === "ready") {
      tell(true);
    }
  });
  // A sandbox without pop-ups: only the page around can follow a link.
  document.addEventListener("click", (event) => {
    const anchor = event.composedPath().find((target) => target instanceof HTMLAnchorElement);
    if (secret !== undefined && anchor !== undefined && anchor.href !== "") {
      event.preventDefault();
      parent.postMessage({ message: "link", value: anchor.href, secret }, "*");
    }
  });
}
