// The result of a run: the reason for its end, and how much it used of its limits.

const element = (id) => document.getElementById(id);

export function formatBytes(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB"];
  let n = 0;
  while (bytes >= 1024 && n < units.length - 1) {
    bytes /= 1024;
    n++;
  }
  return `${n === 0 ? bytes : +bytes.toPrecision(3)} ${units[n]}`;
}

const formatSeconds = (seconds) => `${seconds < 1 ? +seconds.toFixed(3) : +seconds.toFixed(2)} s`;

// showVerdict shows the event "finished". limits has the limits of the run by name.
export function showVerdict({ verdict, exit_code, reason, usage, truncated }, limits) {
  const state = verdict === "exited" ? (exit_code === 0 ? "good" : "failed") : verdict === "cancelled" ? "stopped" : "failed";
  say(state, reason);
  const cut = truncated.stdout_bytes + truncated.stderr_bytes;
  const notes = [];
  if (cut > 0) {
    notes.push(`${formatBytes(cut)} of output were dropped: it was more than the limit, or came faster than this page could read it.`);
  }
  if (truncated.displays > 0) {
    notes.push(`${truncated.displays} displays were dropped: at most 64 with 8 MiB together are kept.`);
  }
  element("cut").hidden = notes.length === 0;
  element("cut").textContent = notes.join(" ");
  element("usage").hidden = verdict === "rejected"; // a rejected program was not run
  bar("wall", "Wall clock", usage.wall_seconds, limits.wall_seconds, formatSeconds);
  bar("cpu", "CPU time", usage.cpu_seconds, limits.cpu_seconds, formatSeconds);
  bar("memory", "Memory", usage.peak_memory_bytes, limits.memory_bytes, formatBytes);
}

// showProblem shows the event "error".
export function showProblem({ title, detail, errors }) {
  clearVerdict();
  const fields = (errors ?? []).map((error) => `${error.pointer ?? ""} ${error.detail ?? ""}`.trim());
  say("failed", [detail ?? title, ...fields].join(" "));
}

// listFindings shows findings as a list. Each has a button with the number of its line, which play.js handles.
export function listFindings(findings) {
  element("findings").hidden = findings.length === 0;
  element("findings").replaceChildren(...findings.map(({ line, message }) => {
    const item = document.createElement("li");
    const place = document.createElement("button");
    place.type = "button";
    place.className = "place";
    place.dataset.line = line;
    place.title = "Show this line";
    place.textContent = `Line ${line}`;
    item.append(place, ` ${message}`);
    return item;
  }));
}

export function clearVerdict() {
  listFindings([]);
  say("", "");
  element("usage").hidden = true;
  element("cut").hidden = true;
}

function say(state, text) {
  const marks = { good: "✓", failed: "✗", stopped: "■" };
  element("verdict").className = state;
  element("mark").textContent = marks[state] ?? "";
  element("reason").textContent = text;
}

function bar(id, name, used, limit, format) {
  const row = element(id);
  row.querySelector(".name").textContent = name;
  row.querySelector(".value").textContent = `${format(used)} of ${format(limit)}`;
  const meter = row.querySelector("progress");
  meter.max = limit;
  meter.value = Math.min(used, limit);
  meter.setAttribute("aria-label", name);
  row.classList.toggle("full", used >= 0.9 * limit);
}
