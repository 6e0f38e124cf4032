// The playground page.

import { forget } from "./content.js";
import { figureOf } from "./displays.js";
import { createEditor, setText } from "./editor.js";
import { fillMenu, first } from "./examples.js";
import { inputFiles, showFiles, takeFiles } from "./files.js";
import { Live, readMeta } from "./live.js";
import { clearMarks, jump, marks, showFindings } from "./marks.js";
import { Output } from "./output.js";
import { Prompt } from "./prompt.js";
import { allowInput, askForKey, chosen, currentKey, offer } from "./settings.js";
import { linked, linkTo } from "./share.js";
import { clearVerdict, formatBytes, listFindings, showProblem, showVerdict } from "./verdict.js";

const element = (id) => document.getElementById(id);

const patience = 1000; // milliseconds between an interrupt and the cancellation

let meta = null; // what the service offers
let live = null; // the program that runs
let started = false;
let displays = 0; // of the run
let limits = {};
let timer = 0; // of a stop

const output = new Output(element("output"));
const prompt = new Prompt(element("prompt"), output, (line) => (line === null ? live?.eof() : live?.stdin(line)));

const editor = createEditor(element("editor"), {
  text: first,
  keys: [{ key: "Mod-Enter", run: () => (run(), true) }],
  extensions: marks,
  onChange() {
    hideLinks();
    if (location.hash) {
      history.replaceState(null, "", location.pathname + location.search); // the link no longer matches the program
    }
  },
});

// ready loads the service's metadata, once.
async function ready() {
  if (meta === null) {
    meta = await readMeta();
    offer(meta);
  }
}

// run starts the program.
async function run() {
  if (live) {
    return;
  }
  const request = chosen();
  if (request === null) {
    return;
  }
  request.code = editor.state.doc.toString();
  request.files = inputFiles();
  request.collect = element("collect").value.split(/\s+/).filter(Boolean);
  output.clear();
  clearVerdict();
  clearMarks(editor);
  showFiles([], [], 0);
  forget();
  displays = 0;
  show("Starting…", true);
  started = false;
  live = { cancel() {}, interrupt() {} }; // until the connection exists
  try {
    await ready();
  } catch (error) {
    live = null;
    show("", false);
    showProblem({ title: `The service does not answer. ${error.message}` });
    return;
  }
  limits = Object.fromEntries(Object.entries(meta.limits).map(([name, limit]) => [name, request.limits?.[name] ?? limit.default]));
  live = new Live(request, currentKey(), (event) => hear(event, request));
}

// hear handles an event of the run.
function hear(event, request) {
  switch (event.event) {
    case "started":
      started = true;
      show("Running…", true);
      prompt.begin(request.code);
      break;
    case "stdout":
    case "stderr":
      if (event.lost_bytes) {
        output.write("lost", `[${formatBytes(event.lost_bytes)} are missing here: they came too fast]\n`);
      }
      output.write(event.event, event.text);
      prompt.touch();
      break;
    case "display":
      output.add(figureOf(event, ++displays));
      prompt.touch();
      break;
    case "finished":
      end(() => {
        showVerdict(event, limits);
        showFiles(event.files, request.collect, event.truncated.files);
        listFindings(event.findings);
        if (editor.state.doc.toString() === request.code) {
          showFindings(editor, event.findings, event.verdict === "rejected");
        }
      });
      break;
    case "error":
      end(() => {
        showProblem(event.problem);
        if (event.problem.status === 401) {
          askForKey(run);
        }
      });
      break;
  }
}

// end ends the run, and shows how it ended once its output is shown.
function end(tell) {
  clearTimeout(timer);
  live = null;
  prompt.close();
  output.settled(() => {
    if (!live) {
      show("", false);
      tell();
    }
  });
}

// stop interrupts the program, and cancels the run after patience. A second call, or a call before the start, cancels at once.
function stop() {
  if (!live) {
    return;
  }
  if (!started || element("stop").dataset.pressed) {
    live.cancel();
    return;
  }
  element("stop").dataset.pressed = "1";
  show("Stopping…", true);
  live.interrupt();
  timer = setTimeout(() => live?.cancel(), patience);
}

// show updates the page for a running or a stopped program.
function show(text, running) {
  element("state").textContent = text;
  element("run").disabled = running;
  element("stop").disabled = !running;
  if (!running) {
    delete element("stop").dataset.pressed;
  }
  document.body.classList.toggle("running", running);
}

// openLinked shows the program of a link. It is not run: the user has not seen it yet.
async function openLinked() {
  try {
    const code = await linked();
    if (code !== null) {
      const { hash } = location;
      setText(editor, code);
      history.replaceState(null, "", hash);
    }
  } catch (error) {
    showProblem({ title: error.message });
  }
}

function hideLinks() {
  element("links").hidden = true;
  element("share").setAttribute("aria-expanded", "false");
}

async function showLinks() {
  if (!element("links").hidden) {
    hideLinks();
    return;
  }
  const code = editor.state.doc.toString();
  const link = await linkTo(code, false);
  history.replaceState(null, "", new URL(link).hash);
  element("link").value = link;
  element("frame").value = `<iframe src="${await linkTo(code, true)}" width="100%" height="500"></iframe>`;
  element("copy").textContent = "Copy";
  element("links").hidden = false;
  element("share").setAttribute("aria-expanded", "true");
  element("link").select();
}

async function copyLink() {
  element("link").select();
  try {
    await navigator.clipboard.writeText(element("link").value);
    element("copy").textContent = "Copied";
  } catch {
    element("copy").textContent = "Press Ctrl C"; // the clipboard API requires a secure context
  }
}

if (new URLSearchParams(location.search).get("embed") === "1") {
  document.body.classList.add("embed");
  const open = element("open");
  open.hidden = false;
  open.href = "play";
  open.addEventListener("click", async (event) => {
    event.preventDefault();
    window.open(await linkTo(editor.state.doc.toString(), false), "_blank", "noopener");
  });
}
element("choices").addEventListener("click", () => {
  const form = element("settings");
  form.hidden = !form.hidden;
  element("choices").setAttribute("aria-expanded", String(!form.hidden));
});
ready().catch(() => {}); // run retries and reports the error
element("share").addEventListener("click", showLinks);
element("copy").addEventListener("click", copyLink);
addEventListener("hashchange", openLinked);
openLinked();
fillMenu(element("examples"), ({ code, lenient }) => {
  setText(editor, code);
  clearMarks(editor);
  if (lenient) {
    allowInput();
  }
  editor.focus();
});
takeFiles();
element("result").addEventListener("click", ({ target }) => {
  const place = target.closest("[data-line]");
  if (place) {
    jump(editor, Number(place.dataset.line));
  }
});
element("run").addEventListener("click", run);
element("stop").addEventListener("click", stop);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) {
    event.preventDefault();
    run();
  }
});
if (/Mac|iPhone|iPad/.test(navigator.platform)) {
  element("run").title = "Run (⌘ Enter)";
}
