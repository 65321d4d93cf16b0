import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Children } from '../src/children.ts';
import { stringsOf } from '../src/index.ts';
import { StoreNode } from '../src/store-node.ts';

const node = (n: number): StoreNode =>
  StoreNode.leaf(new Uint8Array(0), [{ domid: 0, access: 'n' }], n);

test('NODE-6: every version of a directory keeps its names, their order and its nodes', () => {
  const step = fc.record({
    from: fc.nat(1000),
    name: fc.integer({ min: 0, max: 40 }).map((n) => `n${n}`),
    remove: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const versions: [Children, Map<string, number>][] = [[Children.none, new Map()]];
      steps.forEach(({ from, name, remove }, i) => {
        // Mostly on from the newest version; sometimes a branch from an older one.
        const at = from % 4 === 0 ? from % versions.length : versions.length - 1;
        const [children, twin] = versions[at] as (typeof versions)[0];
        const next = new Map(twin);
        if (remove) next.delete(name);
        else next.set(name, i);
        versions.push([remove ? children.without(name) : children.with(name, node(i)), next]);
      });
      for (const [children, twin] of versions) {
        expect(stringsOf(children.listing())).toEqual([...twin.keys()]);
        expect(children.listing().length).toBe(children.listingLength);
        expect(children.size).toBe(twin.size);
        for (const [name, i] of twin) expect(children.get(name)?.generation).toBe(i);
        let sum = 0;
        children.forEach(({ generation }) => {
          sum += generation;
        });
        expect(sum).toBe([...twin.values()].reduce((a, b) => a + b, 0));
      }
    }),
  );
});

test('NODE-6: names whose hashes are equal are kept apart', () => {
  // Three pairs whose 32-bit hashes are equal, among others.
  const pairs = '2522981067 1485211075 4126790325 1882590121 2756868883 3146134894';
  const names = [...pairs.split(' '), ...Array.from({ length: 3994 }, (_, i) => `n${i}`)];
  let children = Children.none;
  names.forEach((name, i) => {
    children = children.with(name, node(i));
  });
  expect(names.filter((name, i) => children.get(name)?.generation !== i)).toEqual([]);
  let rest = children;
  for (let i = 0; i < names.length; i += 2) rest = rest.without(names[i] as string);
  expect(rest.size).toBe(2000);
  expect(names.filter((name, i) => (rest.get(name) !== undefined) !== (i % 2 === 1))).toEqual([]);
  expect(stringsOf(rest.listing())).toHaveLength(2000);
});
