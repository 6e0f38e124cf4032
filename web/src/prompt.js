// The line of input. The service does not tell when a program waits for input, so the line opens when the program may: it names input() or
// standard input, or its last line of output has no end; and it has been silent for a moment.

const silence = 250; // milliseconds
const reads = /\binput\s*\(|\bstdin\b|\bfileinput\b|\bbreakpoint\s*\(|\bpdb\b/;

export class Prompt {
  #form;
  #field;
  #output;
  #send;
  #timer;
  #reads = false;

  // send gets a line, or null for the end of input.
  constructor(form, output, send) {
    this.#form = form;
    this.#field = form.querySelector("input");
    this.#output = output;
    this.#send = send;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const line = `${this.#field.value}\n`;
      this.#field.value = "";
      this.#output.write("stdin", line);
      this.#send(line);
    });
    form.querySelector("#eof").addEventListener("click", () => this.#end());
    this.#field.addEventListener("keydown", (event) => {
      if (event.key === "d" && event.ctrlKey && this.#field.value === "") {
        event.preventDefault();
        this.#end();
      }
    });
  }

  // begin is called when a program starts.
  begin(code) {
    this.#reads = reads.test(code);
    this.touch();
  }

  // touch is called whenever the program has written something.
  touch() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#open(), silence);
  }

  close() {
    clearTimeout(this.#timer);
    this.#form.hidden = true;
  }

  #open() {
    if (!this.#form.hidden || !(this.#reads || this.#output.prompts)) {
      return;
    }
    this.#form.hidden = false;
    this.#field.focus();
  }

  #end() {
    this.#send(null);
    this.#reads = false;
    this.close();
  }
}
