// The view of a screen. Output is queued, and each animation frame shows a part of the queue, so the page stays responsive.

import { cut, Screen } from "./screen.js";

const patience = 10; // milliseconds per frame for processing output
const pieceLength = 16384;
const drawInterval = 200; // least milliseconds between drawings while output waits
const drawShare = 0.2; // of the time, at most, for drawing while output waits

export class Output {
  #parent;
  #note;
  #screen;
  #waiting = [];
  #planned = false;
  #idle = [];
  #read = 0; // position in the first queued piece
  #next = 0; // earliest time of the next drawing while output waits, in milliseconds
  #follows = true; // whether the view scrolls to new output

  constructor(parent) {
    this.#parent = parent;
    parent.addEventListener("scroll", () => {
      this.#follows = parent.scrollHeight - parent.scrollTop - parent.clientHeight < 40;
    });
    new ResizeObserver(() => this.#follow()).observe(parent);
    this.clear();
  }

  clear() {
    this.#screen = new Screen();
    this.#waiting = [];
    this.#read = 0;
    this.#follows = true;
    this.#note = document.createElement("div");
    this.#note.className = "note";
    this.#note.hidden = true;
    this.#parent.replaceChildren(this.#note);
  }

  // write shows text of a stream: stdout, stderr, stdin for an echo, or lost for a note of lost output.
  write(stream, text) {
    this.#waiting.push({ stream, text });
    this.#plan();
  }

  // add shows an element after the output so far.
  add(block) {
    this.#waiting.push({ block });
    this.#plan();
  }

  // settled calls a function when all queued output is shown.
  settled(callback) {
    this.#idle.push(callback);
    this.#plan();
  }

  // prompts reports whether all output is shown and the last line has no newline, as after a prompt.
  get prompts() {
    return this.#waiting.length === 0 && this.#screen.open;
  }

  #plan() {
    if (this.#planned) {
      return;
    }
    this.#planned = true;
    const show = () => {
      this.#planned = false;
      this.#frame();
    };
    // Browsers run no animation frames while the page is hidden.
    document.hidden ? setTimeout(show, 200) : requestAnimationFrame(show);
  }

  #frame() {
    const end = performance.now() + patience;
    let done = 0;
    while (done < this.#waiting.length && performance.now() < end) {
      const { stream, text, block } = this.#waiting[done];
      if (block) {
        this.#screen.add(block);
        done++;
        continue;
      }
      this.#screen.write(stream, text.slice(this.#read, this.#read + pieceLength));
      this.#read += pieceLength;
      if (this.#read >= text.length) {
        this.#read = 0;
        done++;
      }
    }
    this.#waiting.splice(0, done);
    const waits = this.#waiting.length > 0;
    this.#parent.ariaLive = waits ? "off" : "polite"; // a screen reader cannot follow output that arrives this fast
    const begin = performance.now();
    if (!waits || begin >= this.#next) {
      this.#render();
      const took = performance.now() - begin;
      this.#next = begin + Math.max(drawInterval, took / drawShare);
    }
    if (waits) {
      this.#plan();
      return;
    }
    this.#idle.splice(0).forEach((callback) => callback());
  }

  #render() {
    const screen = this.#screen;
    const parent = this.#parent;
    screen.trim();
    screen.gone.splice(0).forEach((node) => node?.remove());
    const fresh = document.createDocumentFragment();
    for (const line of screen.lines) {
      if (line.block) {
        if (!line.shown) {
          line.shown = true;
          fresh.append(line.block);
        }
        continue;
      }
      if (!line.dirty) {
        continue;
      }
      line.dirty = false;
      if (!line.node) {
        line.node = document.createElement("div");
        fresh.append(line.node);
      }
      fill(line);
    }
    parent.append(fresh);
    this.#note.hidden = screen.dropped === 0;
    this.#note.textContent = `${screen.dropped.toLocaleString("en")} earlier lines are not shown.`;
    this.#follow();
  }

  #follow() {
    if (this.#follows) {
      this.#parent.scrollTop = this.#parent.scrollHeight;
    }
  }
}

// frames matches a line of the program in a traceback.
const frames = /File "main\.py", line (\d+)/g;

// fill creates the content of a line. A line of the program in a traceback becomes a button, which jumps to that line.
function fill(line) {
  const { node, runs } = line;
  const streams = new Set(runs.map((run) => run.style.stream));
  node.className = streams.has("stderr") ? "line stderr" : "line";
  const text = line.length < 1000 ? runs.map((run) => run.text).join("") : "";
  const places = text.includes('"main.py"') ? [...text.matchAll(frames)] : [];
  let at = 0;
  node.replaceChildren();
  for (const place of places) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "place";
    button.dataset.line = place[1];
    button.title = "Show this line";
    button.append(...cut(line, place.index, place.index + place[0].length).map(span));
    node.append(...cut(line, at, place.index).map(span), button);
    at = place.index + place[0].length;
  }
  node.append(...(at === 0 ? runs : cut(line, at, line.length)).map(span));
}

function span({ text, style }) {
  if (style.stream === "stdout" && !style.classes && !style.color && !style.background) {
    return document.createTextNode(text);
  }
  const node = document.createElement("span");
  node.className = `${style.stream} ${style.classes}`.trim();
  node.style.color = style.color;
  node.style.backgroundColor = style.background;
  node.textContent = text;
  return node;
}
