// The input line. The service does not report when a program waits for input. The line opens when the program has been silent for a
// moment and either its source uses input() or standard input, or its last line of output is incomplete.

const silence = 250; // milliseconds without output before the line opens
const reads = /\binput\s*\(|\bstdin\b|\bfileinput\b|\bbreakpoint\s*\(|\bpdb\b/;

export class Prompt {
  #form;
  #field;
  #output;
  #send;
  #timer;
  #reads = false;

  // send is called with a line, or with null at the end of the input.
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
