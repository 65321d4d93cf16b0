/*
 * The statements of a file's suspend and resume routines: what can be taken out one at a time to see who notices.
 *
 * A routine is a function whose name says so, a method or an entry point's property, with all functions inside it. Statements
 * that only declare or return are left alone: without them the routine is no program, and that proves nothing.
 */
import { parse } from '@babel/parser';

/** One statement that can be taken out. */
export interface Statement {
  /** The routine, with the step that the statement is in. */
  readonly routine: string;
  readonly line: number;
  readonly start: number;
  readonly end: number;
  /** Its text on one line. */
  readonly text: string;
}

const ROUTINE = /(^|_)(suspend|resume)(_|$)|^(suspend|resume)(clocks)?$|(suspend|resume)$/i;
const TAKEN: ReadonlySet<string> = new Set([
  'ExpressionStatement',
  'IfStatement',
  'ForStatement',
  'ForOfStatement',
  'WhileStatement',
]);

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly loc: { readonly start: { readonly line: number } };
  readonly [key: string]: unknown;
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && 'start' in value;

const nameOf = (node: Node): string | undefined => {
  const named = (key: unknown): string | undefined => {
    if (!isNode(key)) return undefined;
    if (key.type === 'Identifier') return key.name as string;
    if (key.type === 'StringLiteral') return key.value as string;
    if (key.type === 'PrivateName') return named(key.id);
    return undefined;
  };
  switch (node.type) {
    case 'ObjectProperty':
    case 'ObjectMethod':
    case 'ClassMethod':
    case 'ClassPrivateMethod':
      return named(node.key);
    case 'VariableDeclarator':
    case 'FunctionDeclaration':
      return named(node.id);
    default:
      return undefined;
  }
};

/** Every statement of the suspend and resume routines of a file. */
export const statementsOf = (source: string): Statement[] => {
  const tree = parse(source, { sourceType: 'module', plugins: ['typescript'] });
  const found: Statement[] = [];
  const walk = (node: Node, path: readonly string[], inside: boolean): void => {
    const name = nameOf(node);
    const here = name === undefined ? path : [...path, name];
    const within = inside || (name !== undefined && ROUTINE.test(name));
    if (within && TAKEN.has(node.type)) {
      found.push({
        routine: here.join('.'),
        line: node.loc.start.line,
        start: node.start,
        end: node.end,
        text: source.slice(node.start, node.end).replace(/\s+/g, ' '),
      });
    }
    for (const [key, value] of Object.entries(node)) {
      if (key === 'loc') continue;
      for (const child of Array.isArray(value) ? value : [value]) {
        if (isNode(child)) walk(child, within || name === undefined ? here : [], within);
      }
    }
  };
  walk(tree.program as unknown as Node, [], false);
  return found;
};

/** The source without the statement. */
export const without = (source: string, statement: Statement): string =>
  `${source.slice(0, statement.start)};${source.slice(statement.end)}`;
