/*
 * Who may stand on whom. A tag of a package's turbo.json names its floor; a package's sources import packages of the floors
 * listed for it, and nothing else. Guest floors and Xen floors do not know each other: that is the hypercall line.
 *
 * `turbo boundaries` counts what tests need too, and a guest's tests need a whole machine; so it cannot hold this line.
 */
export const FLOORS: Readonly<Record<string, readonly string[]>> = {
  floor0: ['floor0'],
  floor1: ['floor0', 'floor1'],
  xen: ['floor0', 'floor1'],
  backend: ['floor0', 'floor1', 'xen'],
  dom0: ['floor0', 'floor1', 'xen', 'backend', 'dom0'],
  kern: ['floor0', 'floor1'],
  guest3: ['floor0', 'floor1', 'kern', 'guest3'],
  guest4: ['floor0', 'floor1', 'kern', 'guest3', 'guest4'],
  guest5: ['floor0', 'floor1', 'kern', 'guest3', 'guest4', 'guest5'],
  node: ['floor0', 'floor1', 'xen'],
};

/** Floors whose packages are part of a guest. */
export const GUEST_FLOORS: ReadonlySet<string> = new Set(['kern', 'guest3', 'guest4', 'guest5']);
