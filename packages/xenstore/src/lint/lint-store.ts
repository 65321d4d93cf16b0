import { latin1 } from '../latin1.ts';
import { MAY_READ, MAY_WRITE, type Permissions, rightsOf } from '../permissions.ts';
import { ruleFor } from './rule-tree.ts';
import { hasForm } from './value-forms.ts';

/** What is looked at of a node. */
export interface LintedNode {
  readonly path: string;
  readonly value: Uint8Array;
  readonly permissions: Permissions;
}

/** What is wrong with a node's place or value, as a sentence; undefined when nothing is. */
export const lintValue = (path: string, value: Uint8Array): string | undefined => {
  const found = ruleFor(path);
  if (found === undefined) return `expected a path that xenstore-paths knows, found ${path}`;
  const form = found.rule?.[1] ?? '""';
  const text = latin1(value);
  return hasForm(text, form)
    ? undefined
    : `expected a value of the form ${form} at ${path}, found ${JSON.stringify(text)}`;
};

const lintPermissions = ({ path, permissions }: LintedNode): string[] => {
  const { rule, domid } = ruleFor(path) ?? { rule: undefined, domid: undefined };
  const rights = (of: number): number =>
    rightsOf({ domid: of, privileged: of === 0, target: undefined }, permissions);
  const wrong: string[] = [];
  const expect = (of: number, what: string): void => {
    const text = permissions.map(({ access, domid: whose }) => access + whose).join(',');
    wrong.push(`expected domain ${of} to be ${what} ${path}, found ${text}`);
  };
  const own = rule?.[2] ?? 'r';
  for (const of of new Set([domid ?? 0, ...permissions.map((entry) => entry.domid)])) {
    if (of === 0) continue;
    const may = rights(of);
    if (domid !== undefined && of !== domid && may !== 0) expect(of, 'kept from');
    if (domid === undefined && own === '-' && may !== 0) expect(of, 'kept from');
    if (domid === undefined && own !== '-' && (may & MAY_WRITE) !== 0) expect(of, 'a reader of');
    if (of !== domid) continue;
    if (own === '-' && may !== 0) expect(of, 'kept from');
    if (own === 'r' && (may & MAY_WRITE) !== 0) expect(of, 'a reader of');
    if (own === 'w' && (may & MAY_WRITE) === 0) expect(of, 'a writer of');
    if (rule !== undefined && own === 'r' && (may & MAY_READ) === 0) expect(of, 'a reader of');
  }
  if ((permissions[0]?.access ?? 'n') !== 'n') {
    wrong.push(`expected nobody else to have access to ${path}, found ${permissions[0]?.access}`);
  }
  return wrong;
};

/**
 * What is wrong with the nodes of a store, as sentences: places that the rules do not know, values of another form,
 * nodes that a domain may write but should not, or cannot but should, and nodes open to third parties.
 */
export const lintStore = (nodes: readonly LintedNode[]): string[] =>
  nodes.flatMap((node) => {
    const sentence = lintValue(node.path, node.value);
    return [...(sentence === undefined ? [] : [sentence]), ...lintPermissions(node)];
  });
