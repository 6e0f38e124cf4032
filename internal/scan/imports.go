package scan

import "sort"

// wordIndex returns the index of the first word at or after an offset in the reduced text.
func (w *walk) wordIndex(at uint32) int {
	return sort.Search(len(w.words), func(i int) bool { return w.words[i].at >= int(at) })
}

// spanOf returns where in the source a name of an import statement is, from its first part to its last. All names in such a
// statement are words.
func (w *walk) spanOf(node *tsNode) span {
	first := min(w.wordIndex(uint32(node.StartByte())), len(w.words)-1)
	last := max(w.wordIndex(uint32(node.EndByte()))-1, first)
	return span{w.words[first].from.start, w.words[last].from.end}
}

// noteImport records the paths that an import statement imports, and the names that it binds.
func (w *walk) noteImport(f frame) {
	k := kinds()
	cursor := f.node.Walk()
	defer cursor.Close()
	module, relative, refused := "", false, false
	for ok := cursor.GotoFirstChild(); ok && w.tick(); ok = cursor.GotoNextSibling() {
		node := cursor.Node()
		if kind(node.KindId()) == k.wildcardImport {
			for _, name := range starExports()[module] {
				w.bind(name, f.scope, false)
			}
			continue
		}
		switch field(cursor.FieldId()) {
		case k.fieldModuleName:
			relative = kind(node.KindId()) == k.relativeImport
			module = w.dotted(node)
			if !relative {
				refused = w.refuseImport(module, w.spanOf(node))
			}
		case k.fieldName:
			path, alias := w.dotted(node), ""
			place := node
			if kind(node.KindId()) == k.aliasedImport {
				place = node.ChildByFieldId(uint16(k.fieldName))
				path = w.dotted(place)
				alias = w.textOfNode(node.ChildByFieldId(uint16(k.fieldAlias)))
			}
			if f.kind == k.importStatement {
				w.refuseImport(path, w.spanOf(place))
				if alias == "" { // import a.b binds a
					first := path
					if i := indexDot(path); i >= 0 {
						first = path[:i]
					}
					w.importAs(f.scope, first, first)
				} else {
					w.importAs(f.scope, alias, path)
				}
				continue
			}
			if alias == "" {
				alias = path
			}
			if relative {
				w.bind(alias, f.scope, false)
				continue
			}
			if !refused && f.kind == k.importFromStatement && !w.refuseImport(module+"."+path, w.spanOf(place)) {
				if name, ok := leaked()[path]; ok && w.rules.detours && w.rules.modules[name] {
					w.add(mention{verdict: verdict{rule: RuleModule, name: name}}, w.spanOf(place))
				}
			}
			w.importAs(f.scope, alias, module+"."+path)
		}
	}
}

// maxImportsAs is the maximum number of meanings that are kept for one imported name.
const maxImportsAs = 8

func (w *walk) importAs(s *scope, name, path string) {
	w.bind(name, s, false)
	if len(w.imported[name]) < maxImportsAs {
		w.imported[name] = append(w.imported[name], path)
	}
}

// refuseImport records a finding if the policy forbids the import of a path.
func (w *walk) refuseImport(path string, at span) bool {
	if name, ok := w.rules.restrictedModule(path); ok {
		w.add(mention{verdict: verdict{rule: RuleModule, name: name}}, at)
		return true
	}
	if name, ok := w.rules.restrictedMember(path); ok {
		w.add(mention{verdict: verdict{rule: RuleMember, name: name}}, at)
		return true
	}
	return false
}

func indexDot(s string) int {
	for i := range len(s) {
		if s[i] == '.' {
			return i
		}
	}
	return -1
}
