// Marks in the editor: findings of the policy, and the line that a traceback names.

import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView } from "@codemirror/view";

const setMarked = StateEffect.define(); // the position of the start of the line to mark, or null for none

const marked = StateField.define({
  create: () => Decoration.none,
  update(lines, transaction) {
    lines = lines.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (effect.is(setMarked)) {
        lines = effect.value === null ? Decoration.none : Decoration.set(Decoration.line({ class: "cm-marked" }).range(effect.value));
      }
    }
    return lines;
  },
  provide: (field) => EditorView.decorations.from(field),
});

// marks is the editor extension that shows the findings and the marked line.
export const marks = [
  lintGutter(),
  marked,
  EditorView.theme({
    ".cm-marked, .cm-marked.cm-activeLine": { backgroundColor: "var(--mark)", boxShadow: "inset 4px 0 var(--bad)" },
    ".cm-diagnostic": { fontFamily: "var(--sans)" },
  }),
];

// offset converts a line and a column, both from 1, into a position in the document. The API counts columns in Unicode code points (see
// docs/api.md), and CodeMirror counts positions in UTF-16 code units.
export function offset(doc, line, column) {
  if (line > doc.lines) {
    return doc.length;
  }
  const { from, text } = doc.line(line);
  return from + [...text].slice(0, column - 1).join("").length;
}

// showFindings marks findings in the text: as errors if the policy rejected the program, and otherwise as warnings.
export function showFindings(view, findings, rejected) {
  const { doc } = view.state;
  const diagnostics = findings.map((finding) => {
    const from = offset(doc, finding.line, finding.column);
    return {
      from,
      to: Math.max(from, offset(doc, finding.end_line, finding.end_column)),
      severity: rejected ? "error" : "warning",
      source: finding.rule,
      message: finding.message,
    };
  });
  view.dispatch(setDiagnostics(view.state, diagnostics.sort((a, b) => a.from - b.from)));
}

// clearMarks removes all marks.
export function clearMarks(view) {
  view.dispatch(setDiagnostics(view.state, []), { effects: setMarked.of(null) });
}

// jump marks a line, scrolls to it and puts the cursor there. Numbers out of range select the first or the last line.
export function jump(view, line) {
  const { from } = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
  view.dispatch({
    selection: { anchor: from },
    effects: [setMarked.of(from), EditorView.scrollIntoView(from, { y: "center" })],
  });
  view.focus();
}
