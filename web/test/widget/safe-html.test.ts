import { describe, expect, it } from "vitest";

import { build } from "../../src/widget/safe-html.js";

function html(source: string): string {
  const box = document.createElement("div");
  box.append(build(source));
  return box.innerHTML;
}

describe("build", () => {
  it.each([
    '<p lang="fr">Été &amp; <em>hiver</em> — 1 &lt; 2</p>',
    '<ul role="list"><li>a</li>\n<li>b<br>c</li></ul>',
    '<figure class="gallery"><img src="https://live.example.org/media/a.jpg" alt="" width="3" height="2" loading="lazy"></figure>',
    '<article id="entry-1" data-id="1" aria-labelledby="entry-1-time"><h3>x</h3></article>',
    "text alone",
    "",
  ])("makes what the browser would make of %s", (source) => {
    const parsed = document.createElement("div");
    parsed.innerHTML = source;
    expect(html(source)).toBe(parsed.innerHTML);
  });

  it("reads the references that the server writes", () => {
    expect(build('<p title="&#34;&#39;&quot;">&#x27;&amp;lt;&lt;&eacute;&nothing</p>').textContent).toBe(
      "'&lt;<&eacute;&nothing",
    );
    expect(build('<p title="&#34;&#39;&quot;">x</p>').querySelector("p")?.title).toBe('"\'"');
  });

  it("lets nothing through that runs, loads or hides", () => {
    const source =
      '<script>alert(1)</script><p onclick="alert(1)" style="display:none">a</p><iframe src="https://e.example"></iframe>' +
      '<a href="javascript:alert(1)">b</a><a href=" JaVaScRiPt:alert(1)">c</a><img src="data:text/html,x" onerror="alert(1)">' +
      '<svg><use href="https://e.example"></use></svg><form action="https://e.example"><input name="a"></form>';
    expect(html(source)).toBe("alert(1)<p>a</p><a>b</a><a>c</a><img>");
  });

  it("lets nothing through in capitals either", () => {
    expect(
      html(
        '<SCRIPT>alert(1)</SCRIPT><IMG SRC="https://e.example" ONERROR="alert(1)"><p ONCLICK="alert(1)" HREF="x">a</p>',
      ),
    ).toBe('&lt;SCRIPT&gt;alert(1)&lt;/SCRIPT&gt;&lt;IMG SRC="https://e.example" ONERROR="alert(1)"&gt;<p>a</p>');
  });

  it("takes what is not well formed as text, and loses nothing of it", () => {
    expect(build("a < b > c </em> d <").textContent).toBe("a < b > c  d <");
    expect(build("<p>a<p>b</p>").querySelectorAll("p")).toHaveLength(2);
  });
});
