package scan

import "strings"

// role is the role of a name at one place.
type role uint8

const (
	loads role = iota
	binds
	bindsWalrus
	neither // it is part of a type, or is deleted
)

// binding returns the role of the identifier at path[i].
func (w *walk) binding(i int) role {
	k := kinds()
	for ; i > 0; i-- {
		self, parent := w.path[i], w.path[i-1]
		switch parent.kind {
		case k.assignment, k.augmentedAssignment, k.forStatement, k.forInClause:
			return roleIf(self.field == k.fieldLeft)
		case k.typeAliasStatement:
			return roleIf(self.field == k.fieldLeft)
		case k.functionDefinition, k.classDefinition, k.defaultParameter, k.typedDefaultParameter:
			return roleIf(self.field == k.fieldName)
		case k.namedExpression:
			if self.field == k.fieldName {
				return bindsWalrus
			}
			return loads
		case k.typedParameter:
			return roleIf(self.field != k.fieldType)
		case k.deleteStatement:
			return neither
		case k.parameters, k.lambdaParameters, k.asPatternTarget, k.splatPattern:
			return binds
		case k.exceptClause:
			return roleIf(self.field == k.fieldAlias)
		case k.asPattern: // `case … as name`. The target of any other `as` has its own node.
			return roleIf(i >= 2 && w.path[i-2].kind == k.casePattern)
		case k.dottedName:
			// A single name in a pattern is bound, except the class name in `case Point(…)`.
			return roleIf(i >= 2 && w.path[i-2].kind != k.classPattern)
		case k.typeNode:
			if i < 2 {
				return neither
			}
			if above := w.path[i-2]; above.kind == k.typeAliasStatement && w.path[i-1].field == k.fieldLeft {
				return binds
			}
			return neither
		case k.patternList, k.tuplePattern, k.listPattern, k.listSplatPattern, k.dictionarySplatPattern,
			k.tuple, k.list, k.listSplat, k.parenthesizedExpression, k.expressionList:
			// continue with the parent of the pattern
		default:
			return loads
		}
	}
	return loads
}

func roleIf(binding bool) role {
	if binding {
		return binds
	}
	return loads
}

// noteLoad records a read of a restricted builtin, or of one of the module's dunder names.
func (w *walk) noteLoad(word word, name string) {
	k := kinds()
	n := len(w.path)
	self, parent := w.path[n-1], w.path[n-2]
	m := mention{when: ifUnbound, name: name, scope: self.scope}
	if name == "__import__" && parent.kind == k.call && self.field == k.fieldFunction {
		if args := parent.node.ChildByFieldId(uint16(k.fieldArguments)); args != nil {
			if module, ok := w.rules.restrictedModule(w.constant(args.NamedChild(0))); ok {
				m.verdict = verdict{rule: RuleModule, name: module}
				w.add(m, word.from)
				return
			}
		}
	}
	if w.rules.builtins[name] {
		m.verdict = verdict{rule: RuleBuiltin, name: name}
		w.add(m, word.from)
		return
	}
	if name == "__import__" {
		return
	}
	if v, ok := w.reach(n-1, name); ok {
		m.verdict = v
		w.add(m, word.from)
	}
}

// onlyLook are builtins that inspect an object and return nothing that it holds.
var onlyLook = setOf("dir help type isinstance hasattr print repr str id len callable")

// harmless are the attributes of __loader__ and __spec__ that hold only names and paths.
var harmless = setOf("name parent origin cached path has_location __name__ __doc__")

// handOn are the methods that return values which a dictionary or an object holds.
var handOn = setOf("get pop setdefault values items copy __getitem__ __getattribute__")

// reach decides whether the use of the object at path[i] is a detour. The object is __builtins__, __loader__ or __spec__. Inspecting
// it is allowed, because courses use dir(__builtins__).
func (w *walk) reach(i int, name string) (verdict, bool) {
	k := kinds()
	detour := verdict{rule: RuleDetour, name: name}
	if !w.rules.detours || i == 0 {
		return verdict{}, false
	}
	self, parent := w.path[i], w.path[i-1]
	target := ""
	switch parent.kind {
	case k.expressionStatement, k.comparisonOperator, k.ifStatement, k.notOperator, k.interpolation:
		return verdict{}, false
	case k.attribute:
		target = w.textOfNode(parent.node.ChildByFieldId(uint16(k.fieldAttribute)))
	case k.subscript:
		if self.field != k.fieldValue {
			return verdict{}, false
		}
		target = w.constant(parent.node.ChildByFieldId(uint16(k.fieldSubscript)))
	case k.argumentList:
		if i < 2 || w.path[i-2].kind != k.call {
			return detour, true
		}
		function := w.textOfNode(w.path[i-2].node.ChildByFieldId(uint16(k.fieldFunction)))
		if onlyLook.has(function) {
			return verdict{}, false
		}
		if function == "getattr" {
			target = w.constant(parent.node.NamedChild(1))
		}
	}
	switch {
	case target == "":
		return detour, true
	case name != "__builtins__":
		return detour, !harmless.has(target)
	case w.rules.builtins[target]:
		return verdict{rule: RuleBuiltin, name: target}, true
	case handOn.has(target):
		return detour, true
	}
	return detour, strings.HasPrefix(target, "__") && !harmless.has(target)
}

// noteAttribute records an access to a restricted attribute. path[i] is the node of the whole access.
func (w *walk) noteAttribute(word word, name string, i int) {
	k := kinds()
	access := w.path[i]
	object := access.node.ChildByFieldId(uint16(k.fieldObject))
	if word.of&asAttribute == 0 || object == nil {
		return
	}
	ladder := mention{verdict: verdict{rule: RuleDunder, name: name}}
	switch {
	case !w.rules.detours:
	case ladderEnds.has(name):
		if name != "__subclasses__" || !w.ownClass(w.dotted(object)) {
			w.add(ladder, word.from)
		}
		return
	case name == "__self__":
		if builtinFunctions.has(w.dotted(object)) {
			w.add(ladder, word.from)
		}
		return
	case name == "__code__":
		if w.replacesCode(i) {
			w.add(ladder, word.from)
		}
		return
	case name == "__loader__" || name == "__spec__":
		if v, ok := w.reach(i, name); ok && i > 0 && w.path[i-1].kind == k.attribute {
			w.add(mention{verdict: v}, word.from)
		}
		return
	}
	of := w.dotted(object)
	if of == "" {
		return
	}
	if name == "import_module" {
		if i > 0 && w.path[i-1].kind == k.assignment && access.field == k.fieldRight {
			left := w.textOfNode(w.path[i-1].node.ChildByFieldId(uint16(k.fieldLeft)))
			w.assigned = append(w.assigned, assignment{name: left, of: of, member: name})
		}
		return
	}
	w.add(mention{when: ifRestricted, name: name, of: of}, word.from)
}

// builtinFunctions are functions whose __self__ is the builtins module.
var builtinFunctions = setOf(`abs all any ascii bin callable chr delattr dir divmod format getattr globals
	hasattr hash hex id isinstance issubclass iter len locals max min next oct ord pow print repr round
	setattr sorted sum vars`)

// ownClass reports whether a dotted name is a class of the source itself, or a name by which a class refers to itself.
func (w *walk) ownClass(name string) bool {
	return w.classes[name] || name == "cls" || name == "self.__class__"
}

// replacesCode reports whether the access to __code__ at path[i] replaces the code. Otherwise it only reads it.
func (w *walk) replacesCode(i int) bool {
	k := kinds()
	if i == 0 {
		return false
	}
	switch parent := w.path[i-1]; parent.kind {
	case k.assignment:
		return w.path[i].field == k.fieldLeft
	case k.attribute:
		return w.textOfNode(parent.node.ChildByFieldId(uint16(k.fieldAttribute))) == "replace"
	}
	return false
}

// noteString records a string with a restricted name, if it is used to look up or import that name.
func (w *walk) noteString(word word) {
	k := kinds()
	n := len(w.path)
	if n < 3 {
		return
	}
	self, parent, above := w.path[n-1], w.path[n-2], w.path[n-3]
	value := w.constant(self.node)
	if parent.kind == k.keywordArgument && above.kind == k.argumentList && n > 3 {
		self, parent, above = parent, above, w.path[n-4]
	}
	if parent.kind == k.subscript {
		// Setting the item is allowed, because it removes the builtins: namespace['__builtins__'] = {}.
		if w.rules.detours && ladderEnds.has(value) && self.field == k.fieldSubscript &&
			!(above.kind == k.assignment && parent.field == k.fieldLeft) {
			w.add(mention{verdict: verdict{rule: RuleDunder, name: value}}, word.from)
		}
		return
	}
	if parent.kind != k.argumentList || above.kind != k.call {
		return
	}
	function := above.node.ChildByFieldId(uint16(k.fieldFunction))
	if function == nil {
		return
	}
	name, of := "", ""
	switch kind(function.KindId()) {
	case k.identifier:
		name = w.textOfNode(function)
	case k.attribute:
		name = w.textOfNode(function.ChildByFieldId(uint16(k.fieldAttribute)))
		if object := function.ChildByFieldId(uint16(k.fieldObject)); object != nil {
			of = w.dotted(object)
		}
	}
	if ladderEnds.has(value) {
		isAttribute := kind(function.KindId()) == k.attribute
		if w.rules.detours && (name == "getattr" || name == "attrgetter" || isAttribute && handOn.has(name)) {
			w.add(mention{verdict: verdict{rule: RuleDunder, name: value}}, word.from)
		}
		return
	}
	first := parent.node.NamedChild(0)
	if module, ok := w.rules.restrictedModule(value); ok && first != nil && uint32(first.StartByte()) == self.start {
		v := verdict{rule: RuleModule, name: module}
		w.add(mention{verdict: v, when: ifImporting, name: name, of: of}, word.from)
	}
}

func (w *walk) textOfNode(node *tsNode) string {
	if node == nil {
		return ""
	}
	start, end := node.ByteRange()
	if end-start > maxStringName {
		return ""
	}
	return string(w.text[start:end])
}
