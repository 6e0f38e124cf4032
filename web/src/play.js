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
import { Recorder, Replay } from "./recording.js";
import { allowInput, askForKey, chosen, currentKey, offer } from "./settings.js";
import { linked, linkTo } from "./share.js";
import { clearVerdict, formatBytes, listFindings, showProblem, showVerdict } from "./verdict.js";

const element = (id) => document.getElementById(id);

const patience = 1000; // milliseconds between an interrupt and the cancellation

let meta = null; // the answer of GET /v1/meta
let live = null; // the program that runs, or the replay of one
let recorder = null; // of the last run
let opened = null; // the recording that the address of this page carries
let started = false;
let displays = 0; // number of displays of the run
let limits = {};
let timer = 0; // cancels the run after an interrupt

const output = new Output(element("output"));
const prompt = new Prompt(element("prompt"), output, (line) => {
  if (line === null) {
    live?.eof();
    return;
  }
  recorder?.input(line);
  live?.stdin(line);
});

const editor = createEditor(element("editor"), {
  text: first,
  keys: [{ key: "Mod-Enter", run: () => (run(), true) }],
  extensions: marks,
  onChange() {
    hideLinks();
    offerReplay(null);
    if (location.hash) {
      history.replaceState(null, "", location.pathname + location.search); // the link no longer matches the program
    }
  },
});

// ready loads the metadata of the service once.
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
  begin("Starting…");
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
  const record = new Recorder(request.code, limits);
  recorder = record;
  live = new Live(request, currentKey(), (event) => {
    record.add(event);
    hear(event, request);
  });
}

// replay shows a recorded run again.
function replay() {
  if (live || opened === null) {
    return;
  }
  begin("Replaying…");
  ({ limits } = opened);
  const request = { code: opened.code, collect: [] };
  live = new Replay(opened, (event) => hear({ ...event, files: [] }, request));
}

// begin clears the page for another run.
function begin(state) {
  output.clear();
  clearVerdict();
  clearMarks(editor);
  showFiles([], [], 0);
  forget();
  hideLinks();
  displays = 0;
  started = false;
  show(state, true);
}

// hear handles an event of the run.
function hear(event, request) {
  const replayed = live instanceof Replay;
  switch (event.event) {
    case "started":
      started = true;
      if (!replayed) {
        show("Running…", true);
        prompt.begin(request.code);
      }
      break;
    case "stdin": // of a recording
    case "stdout":
    case "stderr":
      if (event.lost_bytes) {
        output.write("lost", `[${formatBytes(event.lost_bytes)} are missing here: they came too fast]\n`);
      }
      output.write(event.event, event.text);
      touch();
      break;
    case "display":
      output.add(figureOf(event, ++displays));
      touch();
      break;
    case "finished":
      end(() => {
        showVerdict(replayed ? { ...event, reason: `Recorded run: ${event.reason}` } : event, limits);
        showFiles(event.files, request.collect, replayed ? 0 : event.truncated.files);
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

function touch() {
  if (live instanceof Live) {
    prompt.touch();
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
  timer = setTimeout(() => live?.cancel(), patience);
  live.interrupt(); // ends a replay at once
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

// openLinked shows the program of a link. Neither the program nor its recorded run starts by itself: the user has not seen it yet.
async function openLinked() {
  try {
    const link = await linked();
    if (link !== null) {
      const { hash } = location;
      setText(editor, link.code);
      history.replaceState(null, "", hash);
      offerReplay(link.recording);
    }
  } catch (error) {
    showProblem({ title: error.message });
  }
}

// offerReplay shows the button for a recorded run, or hides it.
function offerReplay(recording) {
  opened = recording;
  element("replay").hidden = recording === null;
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
  const matches = recorder?.code === editor.state.doc.toString();
  element("recorded").hidden = !(matches && recorder.recording);
  element("with-output").checked = false;
  element("too-long").hidden = !(matches && recorder.tooLong);
  await makeLinks();
  element("links").hidden = false;
  element("share").setAttribute("aria-expanded", "true");
  element("link").select();
}

// makeLinks fills the fields of the links.
async function makeLinks() {
  const code = editor.state.doc.toString();
  const recording = element("with-output").checked ? recorder.recording : null;
  const link = await linkTo(code, false, recording);
  history.replaceState(null, "", new URL(link).hash);
  element("link").value = link;
  element("frame").value = `<iframe src="${await linkTo(code, true, recording)}" width="100%" height="500"></iframe>`;
  element("copy").textContent = "Copy";
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
    window.open(await linkTo(editor.state.doc.toString(), false, opened), "_blank", "noopener");
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
element("with-output").addEventListener("change", makeLinks);
element("replay").addEventListener("click", replay);
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
