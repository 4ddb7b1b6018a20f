import js from "@eslint/js";
import tseslint from "typescript-eslint";

/** Where a text becomes HTML or the address of a script. */
const SINKS = [
  "AssignmentExpression[left.property.name=/^(innerHTML|outerHTML|srcdoc)$/]",
  "CallExpression[callee.property.name=/^(insertAdjacentHTML|createContextualFragment|parseFromString|setHTMLUnsafe|parseHTMLUnsafe|write|writeln)$/]",
  "CallExpression[callee.property.name='register'][callee.object.property.name='serviceWorker']",
  "NewExpression[callee.name=/^(DOMParser|Worker|SharedWorker|Function)$/]",
  "CallExpression[callee.name=/^(eval|importScripts)$/]",
];

export default tseslint.config(
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.json", tsconfigRootDir: import.meta.dirname } },
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/dom/trusted-types.ts", "src/reader/register-worker.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        ...SINKS.map((selector) => ({ selector, message: "A sink of Trusted Types: src/dom/trusted-types.ts and src/reader/register-worker.ts are the places for it." })),
      ],
    },
  },
  {
    files: ["**/*.js"],
    languageOptions: { globals: { console: "readonly", process: "readonly", URL: "readonly", window: "readonly", SwaggerUIBundle: "readonly" } },
  },
);
