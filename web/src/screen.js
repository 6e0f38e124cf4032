// The screen of a program: a terminal emulator, with lines of styled runs of text. It knows colours (SGR), carriage return,
// backspace and the cursor movements that progress bars use. Its size is bounded.

const maxLines = 3000; // kept at most
const maxLength = 10000; // of a line; the rest goes to the next line

const sequence = /[\r\n\b\t\x07]|\x1b\[([0-9;:?]*)([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[^[\]]/g;
const unfinished = /\x1b(?:\[[0-9;:?]{0,64}|\][^\x07\x1b]{0,256}\x1b?)?$/;

const plain = Object.freeze({ stream: "stdout", classes: "", color: "", background: "" });

export class Screen {
  lines = []; // each is {runs, length, dirty, node}, or {block} for an element between the lines
  dropped = 0; // number of lines that were dropped
  gone = []; // nodes of dropped lines, for the view; undefined for lines that were not shown
  #row = -1;
  #column = 0;
  #first = 0; // the lowest row that the cursor can reach
  #rest = ""; // an incomplete escape sequence
  #attributes = {};
  #styles = new Map();
  #stream = "stdout";

  // write writes a piece of a stream.
  write(stream, text) {
    if (stream !== this.#stream) {
      this.#stream = stream;
      this.#rest = "";
    }
    text = this.#rest + text;
    this.#rest = unfinished.exec(text)?.[0] ?? "";
    text = text.slice(0, text.length - this.#rest.length);
    let from = 0;
    for (const match of text.matchAll(sequence)) {
      this.#put(text.slice(from, match.index));
      from = match.index + match[0].length;
      this.#control(match[0], match[1], match[2]);
    }
    this.#put(text.slice(from));
    if (this.lines.length > 2 * maxLines) {
      this.trim();
    }
  }

  // add puts an element below the lines so far.
  add(block) {
    const last = this.lines.at(-1);
    if (last?.length === 0) {
      this.lines.pop();
      this.gone.push(last.node);
    }
    this.lines.push({ block });
    this.#row = this.lines.length - 1;
    this.#first = this.lines.length;
    this.#column = 0;
  }

  // open reports whether the last line has text and no newline, like a prompt.
  get open() {
    const last = this.lines.at(-1);
    return last?.length > 0 && this.#row === this.lines.length - 1;
  }

  // trim drops the oldest lines above the bound. Elements stay.
  trim() {
    const over = this.lines.length - maxLines;
    if (over <= 0) {
      return;
    }
    const kept = [];
    for (const line of this.lines.slice(0, over)) {
      if (line.block) {
        kept.push(line);
        continue;
      }
      this.dropped++;
      this.gone.push(line.node);
    }
    const moved = over - kept.length;
    this.lines = kept.concat(this.lines.slice(over));
    this.#row = Math.max(this.#row - moved, kept.length);
    this.#first = Math.max(this.#first - moved, kept.length);
  }

  #control(whole, parameters, final) {
    const count = () => Math.min(parseInt(parameters, 10) || 1, maxLines);
    switch (final ?? whole) {
      case "\n":
        this.#down();
        this.#column = 0;
        break;
      case "\r":
        this.#column = 0;
        break;
      case "\b":
        this.#column = Math.max(this.#column - 1, 0);
        break;
      case "\t":
        this.#put(" ".repeat(8 - (this.#column % 8)));
        break;
      case "m":
        this.#colour(parameters);
        break;
      case "A":
        this.#row = Math.max(this.#row - count(), Math.min(this.#first, this.lines.length - 1));
        break;
      case "B":
        for (let n = count(); n > 0; n--) {
          this.#down();
        }
        break;
      case "C":
        this.#column = Math.min(this.#column + count(), maxLength);
        break;
      case "D":
        this.#column = Math.max(this.#column - count(), 0);
        break;
      case "G":
        this.#column = Math.min(count() - 1, maxLength);
        break;
      case "K":
        this.#erase(parameters);
        break;
    }
  }

  #down() {
    this.#current();
    this.#row++;
    if (this.#row === this.lines.length) {
      this.lines.push(newLine());
    }
  }

  // current returns the line of the cursor.
  #current() {
    if (this.#row < 0 || this.lines[this.#row].block) {
      this.lines.push(newLine());
      this.#row = this.lines.length - 1;
    }
    return this.lines[this.#row];
  }

  #put(text) {
    while (text !== "") {
      if (this.#column >= maxLength) {
        this.#down();
        this.#column = 0;
      }
      const piece = text.slice(0, maxLength - this.#column);
      text = text.slice(piece.length);
      const line = this.#current();
      if (this.#column > line.length) {
        append(line, " ".repeat(this.#column - line.length), plain);
      }
      if (this.#column === line.length) {
        append(line, piece, this.#style());
      } else {
        const after = cut(line, this.#column + piece.length, line.length);
        line.runs = cut(line, 0, this.#column);
        line.length = this.#column;
        append(line, piece, this.#style());
        for (const run of after) {
          append(line, run.text, run.style);
        }
      }
      line.dirty = true;
      this.#column += piece.length;
    }
  }

  #erase(how) {
    const line = this.#current();
    const end = line.length;
    if (how === "" || how === "0") {
      line.runs = cut(line, 0, this.#column);
      line.length = Math.min(this.#column, end);
    } else if (how === "2") {
      line.runs = [];
      line.length = 0;
    } else {
      const after = cut(line, this.#column, end);
      line.runs = [];
      line.length = 0;
      append(line, " ".repeat(Math.min(this.#column, end)), plain);
      after.forEach((run) => append(line, run.text, run.style));
    }
    line.dirty = true;
  }

  // style returns the current style. The same style is always the same object.
  #style() {
    const a = this.#attributes;
    const key = [this.#stream, a.bold, a.dim, a.italic, a.underline, a.strike, a.inverse, a.color, a.background].join("|");
    let style = this.#styles.get(key);
    if (!style) {
      const classes = ["bold", "dim", "italic", "underline", "strike", "inverse"].filter((name) => a[name]);
      style = { stream: this.#stream, classes: classes.join(" "), color: a.color ?? "", background: a.background ?? "" };
      if (this.#styles.size > 1000) {
        this.#styles.clear();
      }
      this.#styles.set(key, style);
    }
    return style;
  }

  #colour(parameters) {
    const codes = parameters.split(/[;:]/).map((code) => parseInt(code, 10) || 0);
    const a = this.#attributes;
    const names = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
    for (let i = 0; i < codes.length; i++) {
      const code = codes[i];
      if (code === 0) {
        this.#attributes = {};
        return this.#colour(codes.slice(i + 1).join(";") || "39");
      } else if (names[code]) {
        a[names[code]] = true;
      } else if (code === 22) {
        a.bold = a.dim = false;
      } else if (names[code - 20]) {
        a[names[code - 20]] = false;
      } else if (code === 38 || code === 48) {
        const [color, used] = extended(codes.slice(i + 1));
        a[code === 38 ? "color" : "background"] = color;
        i += used;
      } else if (code === 39) {
        a.color = "";
      } else if (code === 49) {
        a.background = "";
      } else if ((code >= 30 && code < 38) || (code >= 90 && code < 98)) {
        a.color = indexed(code >= 90 ? code - 82 : code - 30);
      } else if ((code >= 40 && code < 48) || (code >= 100 && code < 108)) {
        a.background = indexed(code >= 100 ? code - 92 : code - 40);
      }
    }
  }
}

const newLine = () => ({ runs: [], length: 0, dirty: true });

function append(line, text, style) {
  if (text === "") {
    return;
  }
  const last = line.runs.at(-1);
  if (last?.style === style) {
    last.text += text;
  } else {
    line.runs.push({ text, style });
  }
  line.length += text.length;
}

// cut returns the runs of a part of a line.
export function cut(line, from, to) {
  const runs = [];
  let at = 0;
  for (const { text, style } of line.runs) {
    const part = text.slice(Math.max(from - at, 0), Math.max(to - at, 0));
    if (part !== "") {
      runs.push({ text: part, style });
    }
    at += text.length;
  }
  return runs;
}

// indexed returns a colour of the palette of 256. The first 16 are variables of play.css.
function indexed(n) {
  if (n < 16) {
    return `var(--ansi-${n})`;
  }
  if (n >= 232) {
    const grey = 8 + 10 * (n - 232);
    return `rgb(${grey} ${grey} ${grey})`;
  }
  const level = (v) => (v === 0 ? 0 : 55 + 40 * v);
  n -= 16;
  return `rgb(${level(Math.floor(n / 36))} ${level(Math.floor(n / 6) % 6)} ${level(n % 6)})`;
}

// extended returns the colour of the codes after 38 or 48, and how many codes it used.
function extended(codes) {
  const byte = (v) => Math.min(Math.max(v || 0, 0), 255);
  switch (codes[0]) {
    case 5:
      return [indexed(byte(codes[1])), 2];
    case 2:
      return [`rgb(${byte(codes[1])} ${byte(codes[2])} ${byte(codes[3])})`, 4];
  }
  return ["", codes.length];
}
