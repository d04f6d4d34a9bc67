/** Finds the line of a policy file that says what stands at a place of the policy. */
import ts from "typescript";

/**
 * The line, from 1, of a place like `tools.lookup.allow[0]`; of what holds it where that cannot be told (a rule that a
 * function made: where the function is called). null when the source has no `definePolicy({ … })`, or the place is built
 * in.
 */
export function sourceLine(source: string, place: string): number | null {
  const file = parse(source);
  const root = definition(file);
  if (root === null) return null;
  let line: ts.Node | null = null;
  let node: ts.Expression | null = root;
  for (const key of keysOf(place)) {
    const holder: ts.Expression = resolve(file, node);
    const found: Found = typeof key === "number" ? elementOf(file, holder, key) : propertyOf(file, holder, key);
    if (found === null) break;
    line = found.at;
    if (found.value === null) break;
    node = found.value;
  }
  return line === null ? null : file.getLineAndCharacterOfPosition(line.getStart(file)).line + 1;
}

/** Where something is written, and what it holds; null when that is not written here. */
type Found = { readonly at: ts.Node; readonly value: ts.Expression | null } | null;

let last: { source: string; file: ts.SourceFile } | null = null;

/** Places are asked for of one file after the other. */
function parse(source: string): ts.SourceFile {
  if (last?.source !== source) {
    last = { source, file: ts.createSourceFile("policy.ts", source, ts.ScriptTarget.Latest, true) };
  }
  return last.file;
}

function definition(file: ts.SourceFile): ts.Expression | null {
  let found: ts.Expression | null = null;
  const visit = (node: ts.Node) => {
    if (found !== null) return;
    if (ts.isCallExpression(node) && node.expression.getText(file) === "definePolicy")
      found = node.arguments[0] ?? null;
    else ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

function keysOf(place: string): (string | number)[] {
  return Array.from(place.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([\w$]+)/g), ([, index, quoted, name]) =>
    index !== undefined ? Number(index) : quoted !== undefined ? String(JSON.parse(quoted)) : (name ?? ""),
  );
}

/** What an expression stands for: without assertions, and the constant that a name is declared as in this file. */
function resolve(file: ts.SourceFile, node: ts.Expression): ts.Expression {
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node) || ts.isParenthesizedExpression(node)) {
    return resolve(file, node.expression);
  }
  if (!ts.isIdentifier(node)) return node;
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (initializer && ts.isIdentifier(name) && name.text === node.text) return resolve(file, initializer);
    }
  }
  return node;
}

function propertyOf(file: ts.SourceFile, holder: ts.Expression, key: string): Found {
  if (!ts.isObjectLiteralExpression(holder)) return null;
  // The last one holds.
  for (const property of holder.properties.toReversed()) {
    if (ts.isSpreadAssignment(property)) {
      const found: Found = propertyOf(file, resolve(file, property.expression), key);
      if (found) return found;
    } else if ((ts.isIdentifier(property.name) || ts.isStringLiteral(property.name)) && property.name.text === key) {
      if (ts.isPropertyAssignment(property)) return { at: property, value: property.initializer };
      return { at: property, value: ts.isShorthandPropertyAssignment(property) ? property.name : null };
    }
  }
  return null;
}

function elementOf(file: ts.SourceFile, holder: ts.Expression, index: number): Found {
  if (!ts.isArrayLiteralExpression(holder)) return null;
  let next = 0;
  for (const element of holder.elements) {
    if (!ts.isSpreadElement(element)) {
      if (next === index) return { at: element, value: element };
      next++;
      continue;
    }
    const spread = resolve(file, element.expression);
    // How many rules a function makes is not written here: what follows cannot be counted.
    if (!ts.isArrayLiteralExpression(spread)) {
      const only = element === holder.elements.at(-1);
      return { at: only ? element : holder, value: null };
    }
    const found: Found = elementOf(file, spread, index - next);
    if (found) return found;
    next += spread.elements.length;
  }
  return null;
}
