// The playground page.

import { createEditor } from "./editor.js";

const element = (id) => document.getElementById(id);

createEditor(element("editor"), { text: 'print("Hello, World!")\n', keys: [], onChange() {} });
