// Puts Swagger UI, and the script that starts it, where the server's /docs page finds them.
import { copyFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const target = new URL("../../liveserver/rendering/static/docs/", import.meta.url).pathname;
const swagger = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));

mkdirSync(target, { recursive: true });
for (const name of ["swagger-ui.css", "swagger-ui-bundle.js", "LICENSE", "NOTICE"]) {
  copyFileSync(join(swagger, name), join(target, name));
}
copyFileSync(new URL("../src/docs/init.js", import.meta.url), join(target, "docs-init.js"));
