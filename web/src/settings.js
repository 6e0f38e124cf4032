// The settings of the user: environment, policy and limits, as the service offers them, and the key. The browser stores all but the key
// permanently (localStorage). It stores the key until the tab is closed (sessionStorage).

const element = (id) => document.getElementById(id);

const form = element("settings");
const stored = "sandboxd.settings";
const storedKey = "sandboxd.key";
const MiB = 1 << 20;
const limits = [
  { name: "wall_seconds", unit: 1 },
  { name: "cpu_seconds", unit: 1 },
  { name: "memory_bytes", unit: MiB },
  { name: "processes", unit: 1 },
  { name: "output_bytes", unit: MiB },
];

// Some browsers forbid storage in a frame. Settings are then not stored.
function remember(storage, name, value) {
  try {
    globalThis[storage].setItem(name, value);
  } catch {}
}

function recall(storage, name) {
  try {
    return globalThis[storage].getItem(name) ?? "";
  } catch {
    return "";
  }
}

let key = recall("sessionStorage", storedKey);

// currentKey returns the key that the user has entered, or "".
export const currentKey = () => key;

// askForKey shows the field for the key. onKey is called when the user has entered a key.
export function askForKey(onKey) {
  const panel = element("key");
  panel.hidden = false;
  panel.onsubmit = (event) => {
    event.preventDefault();
    key = element("token").value.trim();
    remember("sessionStorage", storedKey, key);
    panel.hidden = true;
    onKey();
  };
  element("token").focus();
}

// offer fills the form with the choices of the service, and selects those that the user made before.
export function offer(meta) {
  options("environment", meta.environments, meta.default_environment);
  options("policy", meta.policies, meta.default_policy);
  for (const { name, unit } of limits) {
    const { minimum, maximum, default: standard } = meta.limits[name];
    const field = form.elements[name];
    field.min = Math.ceil((minimum / unit) * 1000) / 1000; // three decimals
    field.max = +(maximum / unit).toPrecision(6);
    field.placeholder = +(standard / unit).toPrecision(6);
    field.title = `From ${field.min} to ${field.max}`;
  }
  let before = {};
  try {
    before = JSON.parse(recall("localStorage", stored)) ?? {};
  } catch {}
  for (const field of form.elements) {
    const value = before[field.name];
    if (typeof value === "string" && (!field.options || [...field.options].some((option) => option.value === value))) {
      field.value = value;
    }
  }
}

function options(name, names, standard) {
  const labels = [["", `${standard} (default)`], ...names.filter((other) => other !== standard).map((other) => [other, other])];
  form.elements[name].replaceChildren(...labels.map(([value, text]) => new Option(text, value)));
}

// allowInput chooses a policy that allows input() and open(), if the service offers one and the user has chosen none.
export function allowInput() {
  const { policy } = form.elements;
  const standard = policy.options[0]?.text ?? "";
  const lenient = [...policy.options].find((option) => option.value === "permissive") ?? [...policy.options].find((option) => option.value === "off");
  if (policy.value === "" && lenient && standard.startsWith("strict")) {
    policy.value = lenient.value;
  }
}

// chosen returns the fields of a request that the user has set, or null if one is out of range; the form then shows the error.
export function chosen() {
  if (!form.checkValidity()) {
    form.hidden = false;
    element("choices").setAttribute("aria-expanded", "true");
    form.reportValidity();
    return null;
  }
  const request = {};
  for (const name of ["environment", "policy"]) {
    if (form.elements[name].value !== "") {
      request[name] = form.elements[name].value;
    }
  }
  const set = limits.filter(({ name }) => form.elements[name].value !== "");
  if (set.length > 0) {
    request.limits = Object.fromEntries(set.map(({ name, unit }) => {
      const value = form.elements[name].valueAsNumber * unit;
      return [name, name.endsWith("_seconds") ? value : Math.round(value)];
    }));
  }
  return request;
}

form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("change", () => {
  const values = [...form.elements].filter((field) => field.name !== "").map((field) => [field.name, field.value]);
  remember("localStorage", stored, JSON.stringify(Object.fromEntries(values)));
});
element("defaults").addEventListener("click", () => {
  form.reset();
  form.dispatchEvent(new Event("change"));
});
