/*
 * The rules as a tree of names, so that the rule for a path is found by walking along it:
 *
 *     ~ -- device -- vbd -- $DEVID -- state: STATE w
 *       \- data: "" w -- *: STRING w
 *
 * A branch for the very name is tried before one for a kind of name, and `*` last.
 */
import { namesOf } from '../path.ts';
import { PATH_RULES, type PathRule } from './path-rules.ts';

/** The rule for a path. */
export interface FoundRule {
  /** undefined for a node that only leads to others. */
  readonly rule: PathRule | undefined;
  /** The domain whose node it is: in whose home it is, or whom a back end's directory is for. */
  readonly domid: number | undefined;
}

interface Branch {
  rule: PathRule | undefined;
  readonly inner: Map<string, Branch>;
}

const KINDS: readonly (readonly [name: string, form: RegExp])[] = [
  ['$DOMID', /^\d{1,5}$/],
  ['$DEVID', /^\d+$/],
  ['$INDEX', /^\d+$/],
  ['$UUID', /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/],
];

const treeOf = (rules: readonly PathRule[]): Branch => {
  const root: Branch = { rule: undefined, inner: new Map() };
  const grow = (at: Branch, names: readonly string[], rule: PathRule): void => {
    const [first, ...rest] = names;
    if (first === undefined) {
      at.rule ??= rule;
      return;
    }
    for (const name of first.split(',')) {
      const next = at.inner.get(name) ?? { rule: undefined, inner: new Map() };
      at.inner.set(name, next);
      grow(next, rest, rule);
    }
  };
  for (const rule of rules) {
    const absolute = rule[0].replace(/^~/, '/local/domain/~');
    grow(root, namesOf(absolute), rule);
  }
  return root;
};

const TREE = treeOf(PATH_RULES);

/** The rule that holds for a node at `path`; undefined when no rule knows of it. */
export const ruleFor = (path: string): FoundRule | undefined => {
  const names = namesOf(path);
  const walk = (at: Branch, depth: number, domid: number | undefined): FoundRule | undefined => {
    const name = names[depth];
    if (name === undefined) return { rule: at.rule, domid };
    const same = at.inner.get(name);
    const exact = same === undefined ? undefined : walk(same, depth + 1, domid);
    if (exact !== undefined) return exact;
    const home = at.inner.get('~');
    if (home !== undefined && /^\d{1,5}$/.test(name)) return walk(home, depth + 1, Number(name));
    for (const [kind, form] of KINDS) {
      const next = at.inner.get(kind);
      if (next === undefined || !form.test(name)) continue;
      return walk(next, depth + 1, kind === '$DOMID' ? Number(name) : domid);
    }
    const any = at.inner.get('*');
    return any === undefined ? undefined : { rule: any.rule, domid };
  };
  return walk(TREE, 0, undefined);
};
