const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => window.document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

window.addEventListener("load", () => {
  try {
    // Earlier versions kept the API key there.
    window.localStorage.removeItem("authorized");
  } catch {
    // A browser that keeps nothing has kept no key.
  }
  SwaggerUIBundle({
    url: "openapi.json",
    dom_id: "#swagger-ui",
    deepLinking: true,
    // A key is typed again, rather than left in the browser for whoever comes next.
    persistAuthorization: false,
    tryItOutEnabled: true,
  });
});
