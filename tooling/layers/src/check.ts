import { FLOORS, GUEST_FLOORS } from './floors.ts';

/** A package, as far as its place in the house goes. */
export interface PackagePlace {
  readonly name: string;
  readonly tag: string;
  /** `dependencies` of its package.json. */
  readonly dependencies: readonly string[];
  /** Source files below src/, by path. */
  readonly sources: Readonly<Record<string, string>>;
}

const IMPORT = /(?:from|import)\s*\(?\s*'(@[\w-]+\/[\w-]+|node:[\w/]+)'/g;
/** What would outlive a guest's objects: law L2. */
const KEPT = /^(?:export )?(?:let |const \w+(?:: [^=]+)? = new (?:Map|Set|WeakMap|WeakSet)\b)/;
/** Tables of constants are fine: nobody can write to them. */
const CONSTANT = /: Readonly(?:Map|Set)</;

/** @returns what is wrong, a sentence each */
export const checkLayers = (packages: readonly PackagePlace[]): string[] => {
  const tagOf = new Map(packages.map(({ name, tag }) => [name, tag]));
  const wrong: string[] = [];
  for (const { name, tag, dependencies, sources } of packages) {
    const floors = FLOORS[tag];
    if (floors === undefined) continue;
    for (const dependency of dependencies) {
      const other = tagOf.get(dependency);
      if (other !== undefined && !floors.includes(other)) {
        wrong.push(
          `${name} (${tag}) depends on ${dependency} (${other}): expected one of ${floors.join(', ')}`,
        );
      }
    }
    for (const [path, text] of Object.entries(sources)) {
      for (const [, specifier] of text.matchAll(IMPORT)) {
        if (specifier === undefined || dependencies.includes(specifier)) continue;
        if (tag === 'node' && specifier.startsWith('node:')) continue;
        wrong.push(`${path} imports ${specifier}, which is no dependency of ${name}`);
      }
      if (!GUEST_FLOORS.has(tag)) continue;
      for (const [i, line] of text.split('\n').entries()) {
        if (!KEPT.test(line) || CONSTANT.test(line)) continue;
        wrong.push(`${path}:${i + 1} keeps state outside the guest's memory: ${line.trim()}`);
      }
    }
  }
  return wrong;
};
