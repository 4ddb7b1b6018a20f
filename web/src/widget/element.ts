/** `<live-blog>`: an element that waits until it is near the window, and has its widget made then. */

export interface Mounted {
  /** The element is in the page, again. */
  resume(): void;
  /** The element was taken out of the page, perhaps for a moment. */
  suspend(): void;
  /** The widget is over, for good. */
  close(): void;
  /** An attribute has changed: true if the widget goes on, false if it has to be made anew. */
  update(name: string): boolean;
}

export type Mount = (host: HTMLElement, root: ShadowRoot) => Mounted;

const NAME = "live-blog";
const NEAR_PX = 800;

/** Defines the element, unless another script of ours has: the first one serves the whole page. */
export function define(load: () => Promise<Mount>): void {
  if (customElements.get(NAME)) {
    return;
  }
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(":host{display:block!important}:host([hidden]){display:none!important}");

  class LiveBlog extends HTMLElement {
    static readonly observedAttributes = ["src", "partner", "lang", "limit", "height", "theme"];
    static readonly #observer = new IntersectionObserver(
      (records) => {
        for (const { isIntersecting, target } of records) {
          if (isIntersecting && target instanceof LiveBlog) {
            void target.#start();
          }
        }
      },
      { rootMargin: `${NEAR_PX}px` },
    );
    #mounted: Mounted | null = null;
    readonly #shadow = this.attachShadow({ mode: "open" });

    constructor() {
      super();
      this.#shadow.adoptedStyleSheets = [sheet];
      this.#shadow.append(document.createElement("slot"));
    }

    connectedCallback(): void {
      if (this.#mounted) {
        this.#mounted.resume();
      } else {
        LiveBlog.#observer.observe(this);
      }
    }

    disconnectedCallback(): void {
      LiveBlog.#observer.unobserve(this);
      // A script that only moves the element has put it back by then.
      queueMicrotask(() => {
        if (!this.isConnected) {
          this.#mounted?.suspend();
        }
      });
    }

    attributeChangedCallback(name: string, old: string | null, value: string | null): void {
      if (old !== value && this.#mounted && !this.#mounted.update(name)) {
        this.#mounted.close();
        this.#mounted = null;
        if (this.isConnected) {
          LiveBlog.#observer.observe(this);
        }
      }
    }

    async #start(): Promise<void> {
      LiveBlog.#observer.unobserve(this);
      try {
        const mount = await load();
        if (this.isConnected && !this.#mounted) {
          this.#mounted = mount(this, this.#shadow);
        }
      } catch {
        // The link inside stays. The next one on the page, or this one when it is put in again, has another try.
      }
    }
  }

  customElements.define(NAME, LiveBlog);
}

/** Gives frames of ours, whose pages tell how high they are, that height. `base`: the server's address with its last slash. */
export function fitFrames(base: string): void {
  const frames = (): HTMLIFrameElement[] =>
    [...document.querySelectorAll("iframe")].filter(({ src }) => src.startsWith(`${base}embed/`));
  window.addEventListener(
    "message",
    ({ data, source, origin }: MessageEvent<{ type?: unknown; height?: unknown } | null>) => {
      if (data?.type === "liveblog:height" && (origin === "null" || base.startsWith(`${origin}/`))) {
        const frame = frames().find(({ contentWindow }) => contentWindow === source);
        const height = Number(data.height);
        if (frame && height > 0 && height < 100_000) {
          frame.style.height = `${height}px`;
        }
      }
    },
  );
  for (const frame of frames()) {
    // It may have told before we were here.
    frame.contentWindow?.postMessage({ message: "ready" }, "*");
  }
}
