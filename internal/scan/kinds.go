package scan

import (
	"sync"

	tree_sitter "github.com/tree-sitter/go-tree-sitter"
)

type (
	kind   uint16
	field  uint16
	tsNode = tree_sitter.Node
)

// grammar holds the numbers of the node kinds and fields of tree-sitter-python that the walk uses. Comparing numbers avoids a
// string from C for each node.
type grammar struct {
	aliasedImport, argumentList, asPattern, asPatternTarget, assignment, attribute, augmentedAssignment,
	call, casePattern, chevron, classDefinition, classPattern, comparisonOperator,
	defaultParameter, deleteStatement, dictionaryComprehension, dictionarySplatPattern,
	dottedName, errorNode, exceptClause, execStatement, expressionList, expressionStatement,
	forInClause, forStatement, functionDefinition, futureImportStatement,
	generatorExpression, globalStatement, identifier, ifStatement, importFromStatement, importStatement,
	interpolation, keywordArgument, keywordPattern, lambda, lambdaParameters, list,
	listComprehension, listPattern, listSplat, listSplatPattern, namedExpression,
	nonlocalStatement, notOperator, parameters, parenthesizedExpression, patternList, printStatement,
	relativeImport, setComprehension, splatPattern, string, subscript, tuple,
	tuplePattern, typeAliasStatement, typeNode, typedDefaultParameter, typedParameter, wildcardImport kind

	fieldAlias, fieldArguments, fieldAttribute, fieldBody, fieldFunction, fieldLeft, fieldModuleName,
	fieldName, fieldObject, fieldParameters, fieldRight, fieldSubscript, fieldType, fieldValue field
}

// kinds looks the numbers up when it is called for the first time, because most commands scan nothing.
var kinds = sync.OnceValue(func() *grammar {
	language := python()
	k := func(name string) kind { return kind(language.IdForNodeKind(name, true)) }
	f := func(name string) field { return field(language.FieldIdForName(name)) }
	return &grammar{
		aliasedImport: k("aliased_import"), argumentList: k("argument_list"), asPattern: k("as_pattern"),
		asPatternTarget: k("as_pattern_target"), assignment: k("assignment"), attribute: k("attribute"),
		augmentedAssignment: k("augmented_assignment"), call: k("call"), casePattern: k("case_pattern"), chevron: k("chevron"),
		classDefinition: k("class_definition"), classPattern: k("class_pattern"),
		comparisonOperator:      k("comparison_operator"),
		defaultParameter:        k("default_parameter"),
		deleteStatement:         k("delete_statement"),
		dictionaryComprehension: k("dictionary_comprehension"),
		dictionarySplatPattern:  k("dictionary_splat_pattern"), dottedName: k("dotted_name"),
		errorNode: 0xffff, exceptClause: k("except_clause"),
		execStatement: k("exec_statement"), expressionList: k("expression_list"),
		expressionStatement: k("expression_statement"),
		forInClause:         k("for_in_clause"), forStatement: k("for_statement"),
		functionDefinition: k("function_definition"), futureImportStatement: k("future_import_statement"),
		generatorExpression: k("generator_expression"), globalStatement: k("global_statement"),
		identifier: k("identifier"), ifStatement: k("if_statement"),
		importFromStatement: k("import_from_statement"), importStatement: k("import_statement"),
		interpolation: k("interpolation"), keywordArgument: k("keyword_argument"),
		keywordPattern: k("keyword_pattern"), lambda: k("lambda"), lambdaParameters: k("lambda_parameters"),
		list: k("list"), listComprehension: k("list_comprehension"), listPattern: k("list_pattern"),
		listSplat: k("list_splat"), listSplatPattern: k("list_splat_pattern"),
		namedExpression: k("named_expression"), nonlocalStatement: k("nonlocal_statement"),
		notOperator: k("not_operator"), parameters: k("parameters"),
		parenthesizedExpression: k("parenthesized_expression"), patternList: k("pattern_list"),
		printStatement: k("print_statement"), relativeImport: k("relative_import"),
		setComprehension: k("set_comprehension"), splatPattern: k("splat_pattern"), string: k("string"),
		subscript: k("subscript"), tuple: k("tuple"), tuplePattern: k("tuple_pattern"),
		typeAliasStatement: k("type_alias_statement"), typeNode: k("type"),
		typedDefaultParameter: k("typed_default_parameter"), typedParameter: k("typed_parameter"),
		wildcardImport: k("wildcard_import"),

		fieldAlias: f("alias"), fieldArguments: f("arguments"), fieldAttribute: f("attribute"),
		fieldBody: f("body"), fieldFunction: f("function"), fieldLeft: f("left"),
		fieldModuleName: f("module_name"), fieldName: f("name"), fieldObject: f("object"),
		fieldParameters: f("parameters"), fieldRight: f("right"), fieldSubscript: f("subscript"),
		fieldType: f("type"), fieldValue: f("value"),
	}
})

// isOpaque reports whether the walk does not descend into a node. An import is read as a whole. Invalid text and statements of
// Python 2 are not read. `print >>f, x` is also valid in Python 3, where it is a tuple.
func isOpaque(f frame) bool {
	k := kinds()
	switch f.kind {
	case k.importStatement, k.importFromStatement, k.futureImportStatement, k.execStatement, k.errorNode:
		return true
	case k.printStatement:
		first := f.node.NamedChild(0)
		return first == nil || kind(first.KindId()) != k.chevron
	}
	return false
}
