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

// lenient: the program needs a policy that allows input() and open().
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

// fillMenu fills a menu, and calls choose with the example that the user chooses.
export function fillMenu(menu, choose) {
  menu.append(...Object.keys(examples).map((name) => new Option(name, name)));
  menu.addEventListener("change", () => {
    choose(examples[menu.value]);
    menu.value = ""; // so that the same example can be chosen again
  });
}
