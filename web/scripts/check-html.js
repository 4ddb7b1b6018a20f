// Checks HTML against the standard and writes what is wrong as JSON: a list of {name, line, rule, message}. Standard input is
// an object of documents by their names.
import { readFileSync } from "node:fs";

import { HtmlValidate, Rule, StaticConfigLoader } from "html-validate";

/** A `time` without `datetime` must itself be a time, which an empty one isn't; html-validate has no rule for that. */
class TimeWithoutTime extends Rule {
  setup() {
    this.on("element:ready", ({ target }) => {
      if (target.is("time") && !target.hasAttribute("datetime") && target.textContent.trim() === "") {
        this.report({ node: target, message: "<time> has neither datetime nor text" });
      }
    });
  }
}

const own = { name: "own", rules: { "time-without-time": TimeWithoutTime } };
const config = {
  root: true,
  extends: ["html-validate:standard"],
  plugins: [own],
  rules: { "time-without-time": "error" },
};
const validator = new HtmlValidate(new StaticConfigLoader(config));
const found = [];
for (const [name, html] of Object.entries(JSON.parse(readFileSync(0, "utf8")))) {
  for (const { messages } of (await validator.validateString(html, `${name}.html`)).results) {
    found.push(
      ...messages.map(({ line, ruleId, message, selector }) => ({ name, line, rule: ruleId, message, selector })),
    );
  }
}
console.log(JSON.stringify(found));
