// The menu of examples.

import files from "./examples/files.py";
import hello from "./examples/hello.py";
import input from "./examples/input.py";
import memory from "./examples/memory.py";
import plot from "./examples/plot.py";
import progress from "./examples/progress.py";
import refused from "./examples/refused.py";
import table from "./examples/table.py";
import threads from "./examples/threads.py";
import timeout from "./examples/timeout.py";

// The examples by their names in the menu. A lenient example needs a policy that allows input() and open().
const examples = {
  "Print": { code: hello },
  "Input": { code: input, lenient: true },
  "Plot": { code: plot },
  "Table": { code: table },
  "Progress bar": { code: progress },
  "Files": { code: files, lenient: true },
  "Threads": { code: threads },
  "Time limit": { code: timeout },
  "Memory limit": { code: memory },
  "Refused import": { code: refused },
};

export const first = hello;

// fillMenu adds the examples to a menu, and calls choose with an example when the user selects it.
export function fillMenu(menu, choose) {
  menu.append(...Object.keys(examples).map((name) => new Option(name, name)));
  menu.addEventListener("change", () => {
    choose(examples[menu.value]);
    menu.value = ""; // the event "change" occurs again if the user selects the same example
  });
}
