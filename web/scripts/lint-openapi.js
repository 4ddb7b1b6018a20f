// Checks an OpenAPI document, whose path is the argument, against Redocly's recommended rules and those of Spectral's that
// it has beside them.
import { createConfig, lint } from "@redocly/openapi-core";

const config = await createConfig({
  extends: ["recommended-strict"],
  rules: {
    "info-contact": "error",
    "operation-description": "error",
    "operation-singular-tag": "error",
    "operation-tag-defined": "error",
    "parameter-description": "error",
    "tag-description": "error",
    "no-duplicated-tag-names": "error",
    "no-unused-components": "error",
    "no-schema-type-mismatch": "error",
  },
});
for (const { ruleId, message, location } of await lint({ ref: process.argv[2], config })) {
  console.error(`${ruleId}: ${message} ${location[0]?.pointer ?? ""}`);
  process.exitCode = 1;
}
