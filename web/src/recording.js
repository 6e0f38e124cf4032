// Recordings of runs: the events that the page showed, as the API sent them, and the user's input. A link can carry one. Its content is
// as untrusted as the output of a program: anybody can write a link.

const maxEvents = 10_000;
const maxText = 256 << 10; // characters of all events, so that a link stays usable
const tick = 0.02; // seconds; output of one stream within a tick is recorded as one event
const maxSilence = 2; // seconds between two events of a replay; longer silences are shortened

const text = (value) => value === undefined || typeof value === "string";
const number = (value) => Number.isFinite(value) && value >= 0;
const place = (value) => Number.isInteger(value) && value > 0;

// Recorder records the events of a run.
export class Recorder {
  tooLong = false; // for a link
  #events = [];
  #size = 0;
  #began = performance.now();

  constructor(code, limits) {
    this.code = code;
    this.limits = limits;
  }

  add(event) {
    if (event.event === "started") {
      this.#began = performance.now();
    }
    const last = this.#events.at(-1);
    const isText = ["stdout", "stderr"].includes(event.event);
    if (isText && last?.event === event.event && !event.lost_bytes && event.at_seconds - last.at_seconds < tick) {
      last.text += event.text;
    } else {
      this.#events.push(reduced(event));
    }
    this.#size += (event.text ?? "").length + (event.base64 ?? "").length;
    if (this.#size > maxText || this.#events.length > maxEvents) {
      this.tooLong = true;
      this.#events = [];
    }
  }

  // input records a line that the user typed.
  input(line) {
    this.add({ event: "stdin", at_seconds: (performance.now() - this.#began) / 1000, text: line });
  }

  // recording returns what a link carries: null before the run has ended, or if it is too long.
  get recording() {
    const ended = this.#events.at(-1)?.event === "finished";
    return ended && !this.tooLong ? { code: this.code, limits: this.limits, events: this.#events } : null;
  }
}

// reduced returns the fields of an event that the page shows. Files are left out.
function reduced({ event, at_seconds, ...rest }) {
  const round = Math.round(at_seconds * 1000) / 1000;
  switch (event) {
    case "stdout":
    case "stderr":
    case "stdin":
      return { event, at_seconds: round, text: rest.text, lost_bytes: rest.lost_bytes };
    case "display":
      return { event, at_seconds: round, mime_type: rest.mime_type, title: rest.title, text: rest.text, base64: rest.base64 };
    case "finished": {
      const { verdict, exit_code, reason, usage, truncated, findings } = rest;
      return { event, at_seconds: round, verdict, exit_code, reason, usage, truncated, findings };
    }
  }
  return { event, at_seconds: round };
}

// checked returns a recording from a link, or throws an error if it is not one.
export function checked(value) {
  const events = value?.events;
  const last = Array.isArray(events) ? events.at(-1) : undefined;
  const size = { events: events?.length, text: 0 };
  const names = ["wall_seconds", "cpu_seconds", "memory_bytes"];
  const good = typeof value?.code === "string" && names.every((name) => number(value.limits?.[name])) &&
    size.events <= maxEvents && last?.event === "finished" && events.every((event, at) => {
      size.text += (event?.text ?? "").length + (event?.base64 ?? "").length;
      return valid(event) && (event.event === "finished") === (at === events.length - 1);
    });
  if (!good || size.text > maxText) {
    throw new Error("not a recording");
  }
  return { code: value.code, limits: value.limits, events: events.map(reduced) };
}

function valid(event) {
  if (event === null || typeof event !== "object" || !number(event.at_seconds)) {
    return false;
  }
  switch (event.event) {
    case "started":
      return true;
    case "stdout":
    case "stderr":
    case "stdin":
      return typeof event.text === "string" && (event.lost_bytes === undefined || number(event.lost_bytes));
    case "display":
      return typeof event.mime_type === "string" && text(event.title) && text(event.text) && text(event.base64) && decodes(event.base64);
    case "finished":
      return typeof event.verdict === "string" && typeof event.reason === "string" &&
        ["wall_seconds", "cpu_seconds", "peak_memory_bytes"].every((name) => number(event.usage?.[name])) &&
        ["stdout_bytes", "stderr_bytes", "displays"].every((name) => number(event.truncated?.[name])) &&
        Array.isArray(event.findings) && event.findings.every((finding) => typeof finding?.message === "string" &&
          ["line", "column", "end_line", "end_column"].every((name) => place(finding[name])));
  }
  return false;
}

function decodes(base64 = "") {
  try {
    atob(base64);
    return true;
  } catch {
    return false;
  }
}

// Replay plays a recording. Like a Live, it calls onEvent with each event, but starts nothing.
export class Replay {
  #events;
  #onEvent;
  #timer = 0;
  #at = 0; // time of the last event

  constructor({ events }, onEvent) {
    this.#events = [...events];
    this.#onEvent = onEvent;
    matchMedia("(prefers-reduced-motion: reduce)").matches ? queueMicrotask(() => this.cancel()) : this.#next();
  }

  #next() {
    const [event] = this.#events;
    if (event === undefined) {
      return;
    }
    const silence = Math.min(Math.max(event.at_seconds - this.#at, 0), maxSilence);
    this.#timer = setTimeout(() => {
      this.#at = event.at_seconds;
      this.#events.shift();
      this.#onEvent(event);
      this.#next();
    }, silence * 1000);
  }

  // cancel shows the rest at once.
  cancel() {
    clearTimeout(this.#timer);
    this.#events.splice(0).forEach((event) => this.#onEvent(event));
  }

  interrupt() {
    this.cancel();
  }

  stdin() {}

  eof() {}
}
