// The status page for operators. It draws what /metrics answers, and asks for nothing else.
"use strict";

const interval = 2000; // milliseconds between two readings
const kept = 150; // readings: five minutes
const perMinute = 30; // readings in a minute

const element = (id) => document.getElementById(id);
const readings = []; // the oldest first; each has the values of /metrics by series

// parse reads the text format of Prometheus: the value of each series, by the series as it is written.
function parse(text) {
  const values = new Map();
  for (const line of text.split("\n")) {
    const at = line.lastIndexOf(" ");
    if (at > 0 && !line.startsWith("#")) {
      values.set(line.slice(0, at), Number(line.slice(at + 1)));
    }
  }
  return values;
}

// labelsOf returns the labels of a series. The values that this page reads have no escaped characters.
const labelsOf = (series) => Object.fromEntries([...series.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));

// seriesOf returns the series of one metric.
const seriesOf = (values, name) => [...values.keys()].filter((series) => series === name || series.startsWith(`${name}{`));

// increase returns by how much a counter grew between two readings. A smaller value means that the daemon was restarted.
function increase(from, to, series) {
  const now = to.get(series) ?? 0;
  const before = from.get(series) ?? 0;
  return now < before ? now : now - before;
}

function showNow(values) {
  const sum = (name) => seriesOf(values, name).reduce((total, series) => total + values.get(series), 0);
  const rows = [
    ["Running programs", "sandboxd_runs_in_flight", "sandboxd_run_slots"],
    ["Waiting requests", "sandboxd_queue_depth", "sandboxd_queue_slots"],
    ["Prepared jails", "sandboxd_waiting_jails"],
    ["Streams", "sandboxd_streams"],
    ["Connections", "sandboxd_connections"],
  ];
  element("now").replaceChildren(...rows.flatMap(([text, name, most]) => {
    const term = document.createElement("dt");
    term.textContent = text;
    const value = document.createElement("dd");
    value.textContent = most ? `${sum(name)} of ${sum(most)}` : sum(name);
    if (!most) {
      return [term, value];
    }
    const bar = document.createElement("progress");
    bar.max = Math.max(sum(most), 1);
    bar.value = sum(name);
    bar.setAttribute("aria-label", text);
    value.append(bar);
    return [term, value];
  }));
}

// rowOf returns a row of a table: the last minute, the last five minutes as a line, and the total of some series together.
function rowOf(text, series) {
  const total = (values) => series.reduce((sum, one) => sum + (values.get(one) ?? 0), 0);
  const steps = readings.slice(1).map((values, at) => series.reduce((sum, one) => sum + increase(readings[at], values, one), 0));
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = text;
  row.append(head);
  const cells = [steps.slice(-perMinute).reduce((sum, step) => sum + step, 0), lineOf(steps), total(readings.at(-1))];
  for (const content of cells) {
    const cell = document.createElement("td");
    cell.append(typeof content === "number" ? content.toLocaleString("en") : content);
    row.append(cell);
  }
  return row;
}

// lineOf draws numbers from left to right.
function lineOf(steps) {
  const space = "http://www.w3.org/2000/svg";
  const picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", `0 0 ${kept} 20`);
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  const most = Math.max(...steps, 1);
  const line = document.createElementNS(space, "polyline");
  line.setAttribute("points", steps.map((step, at) => `${kept - steps.length + at},${19 - (18 * step) / most}`).join(" "));
  picture.append(line);
  return picture;
}

// showTable shows a row for each value of a label.
function showTable(id, name, label) {
  const rows = seriesOf(readings.at(-1), name).map((series) => rowOf(labelsOf(series)[label], [series]));
  element(id).tBodies[0].replaceChildren(...rows);
}

// showTroubles shows the counters of refusals and failures that are not 0.
function showTroubles() {
  const kinds = {
    sandboxd_requests_rejected_total: "request rejected",
    sandboxd_runs_refused_total: "run refused",
    sandboxd_connections_refused_total: "connection refused",
    sandboxd_setup_errors_total: "jail not started",
    sandboxd_seccomp_denials_total: "system call denied",
    sandboxd_oom_kills_total: "process killed for memory",
  };
  const values = readings.at(-1);
  const rows = [];
  for (const [name, text] of Object.entries(kinds)) {
    for (const series of seriesOf(values, name).filter((one) => values.get(one) > 0)) {
      const labels = Object.values(labelsOf(series)).join(", ");
      rows.push(rowOf(labels ? `${text}: ${labels}` : text, [series]));
    }
  }
  element("troubles").tBodies[0].replaceChildren(...rows);
  element("troubles").hidden = rows.length === 0;
  element("calm").hidden = rows.length > 0;
}

function showLayers(values) {
  const items = seriesOf(values, "sandboxd_isolation_layer_info").map((series) => {
    const { layer, state } = labelsOf(series);
    const item = document.createElement("li");
    item.className = state;
    item.textContent = state === "enforced" ? layer : `${layer}: ${state}`;
    return item;
  });
  items.sort((a, b) => (a.className === "enforced") - (b.className === "enforced"));
  element("layers").replaceChildren(...items);
}

async function read() {
  try {
    const response = await fetch("metrics", { cache: "no-store" });
    if (!response.ok) {
      throw new Error(`/metrics answered with status ${response.status}`);
    }
    readings.push(parse(await response.text()));
    readings.splice(0, readings.length - kept);
    const values = readings.at(-1);
    const { version } = labelsOf(seriesOf(values, "sandboxd_build_info")[0] ?? "");
    showNow(values);
    showTable("verdicts", "sandboxd_runs_total", "verdict");
    showTable("starts", "sandboxd_starts_total", "start");
    showTroubles();
    showLayers(values);
    tell(`Version ${version}`, "");
  } catch (error) {
    tell(`No answer since ${lastAnswer}: ${error.message}`, "bad");
    return;
  } finally {
    setTimeout(read, interval);
  }
  lastAnswer = new Date().toLocaleTimeString();
}

let lastAnswer = "this page was opened";

// tell shows a message if it is new, because screen readers announce it.
function tell(text, kind) {
  const state = element("state");
  if (state.textContent !== text) {
    state.textContent = text;
    state.className = kind;
  }
}

read();
