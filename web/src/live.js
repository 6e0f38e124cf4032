// The client of GET /v1/runs/live. See docs/api.md.

// address returns the URL of a path of the service, relative to the page, because a proxy may map the service to any path.
export const address = (path) => new URL(path, document.baseURI);

const bearer = (key) => (key ? { Authorization: `Bearer ${key}` } : {});

// readMeta returns the answer of GET /v1/meta.
export async function readMeta() {
  const response = await fetch(address("v1/meta"));
  if (!response.ok) {
    throw new Error(`The service answered with status ${response.status}.`);
  }
  return response.json();
}

// Live is a running program. onEvent receives its events; the last is "finished" or "error".
export class Live {
  #socket;
  #over = false;

  constructor(request, key, onEvent) {
    const url = address("v1/runs/live");
    url.protocol = url.protocol.replace("http", "ws");
    this.#socket = new WebSocket(url, key ? ["sandboxd", `sandboxd.key.${key}`] : ["sandboxd"]);
    this.#socket.onopen = () => this.#socket.send(JSON.stringify(request));
    this.#socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (this.#over) {
        return;
      }
      this.#over = event.event === "finished" || event.event === "error";
      onEvent(event);
    };
    this.#socket.onclose = async () => {
      if (this.#over) {
        return;
      }
      this.#over = true;
      onEvent({ event: "error", problem: await whyRefused(key) });
    };
  }

  stdin(text) {
    this.#send({ event: "stdin", text });
  }

  eof() {
    this.#send({ event: "eof" });
  }

  interrupt() {
    this.#send({ event: "interrupt" });
  }

  cancel() {
    // Messages cannot be sent before the socket is open. Closing it then cancels the attempt to connect.
    this.#socket.readyState === WebSocket.OPEN ? this.#send({ event: "cancel" }) : this.#socket.close();
  }

  #send(message) {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
    }
  }
}

// whyRefused returns the problem of a WebSocket that was not opened. Browsers hide the answer of the service, so this function repeats the
// request without a WebSocket. The service checks the key first. Status 426 means that only the WebSocket was missing.
async function whyRefused(key) {
  const lost = { status: 0, title: "The connection to the service was lost." };
  try {
    const response = await fetch(address("v1/runs/live"), { headers: bearer(key) });
    return response.status === 426 ? lost : await response.json();
  } catch {
    return lost;
  }
}
