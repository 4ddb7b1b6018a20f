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

/** What the modules of each folder of src/ may import besides those of their own: nothing that stands above them or beside them. */
const BELOW = {
  model: [],
  stream: ["model/"],
  dom: ["model/"],
  reader: ["model/", "stream/", "dom/", "worker/protocol.js"],
  widget: ["model/", "stream/", "dom/"],
  worker: [],
  desk: [],
};

/** Forbids every import from outside of the folder but these. A folder that isn't listed above may import from no other. */
function mayImport(...allowed) {
  const others = allowed.length === 0 ? "" : `(?!(?:${allowed.join("|").replaceAll(".", "\\.")}))`;
  const message = "Against the direction of the folders: eslint.config.js says which of them is below which.";
  return { "no-restricted-imports": ["error", { patterns: [{ regex: `^\\.\\./${others}`, message }] }] };
}

export default tseslint.config(
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { project: "./tsconfig.json", tsconfigRootDir: import.meta.dirname } },
    rules: { "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }] },
  },
  {
    files: ["src/**/*.ts"],
    ignores: ["src/dom/trusted-types.ts", "src/reader/register-worker.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector: "ImportExpression[source.value=/^\\.\\.\\//]",
          message: "What is loaded later is of the same folder: see the direction of the folders.",
        },
        ...SINKS.map((selector) => ({
          selector,
          message:
            "A sink of Trusted Types: src/dom/trusted-types.ts and src/reader/register-worker.ts are the places for it.",
        })),
      ],
    },
  },
  { files: ["src/**/*.ts"], rules: mayImport() },
  {
    files: ["src/*"],
    rules: { "no-restricted-syntax": ["error", { selector: "Program", message: "Every module has its folder." }] },
  },
  ...Object.entries(BELOW).map(([folder, allowed]) => ({
    files: [`src/${folder}/**/*.ts`],
    rules: mayImport(...allowed),
  })),
  {
    files: ["**/*.js"],
    languageOptions: {
      globals: {
        console: "readonly",
        process: "readonly",
        URL: "readonly",
        window: "readonly",
        SwaggerUIBundle: "readonly",
      },
    },
  },
);
