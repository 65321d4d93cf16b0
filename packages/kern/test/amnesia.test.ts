import { i64, struct } from '@port-xen/layout';
import { expect, test } from 'vitest';
import {
  type Kern,
  KernelImage,
  kernLinked,
  kernModules,
  leaf,
  linkKern,
  type Text,
} from '../src/index.ts';
import { KernelRun, toyImage } from './kernel-run.ts';

const driver_data = struct('driver_data', { count: i64 });

/** The ways in which a driver can keep what it counts; only the first one is right. */
class Driver {
  readonly kern: Kern;
  readonly data: number;
  readonly map = new Map<string, number>();
  readonly closure: () => number;
  readonly box = { count: 0 };
  readonly bytes = new Uint8Array(1);
  field = 0;
  #secret = 0;

  constructor(kern: Kern, data: number) {
    this.kern = kern;
    this.data = data;
    let count = 0;
    this.closure = () => ++count;
  }

  get memory() {
    return driver_data.at(this.kern.cpu.memory, this.data);
  }

  secret(): number {
    return ++this.#secret;
  }
}

const text: Text<Driver> = {
  in_memory: leaf((m) => {
    m.memory.count++;
    return m.memory.count;
  }),
  in_a_field: leaf((m) => ++m.field),
  in_an_object: leaf((m) => ++m.box.count),
  in_a_private_field: leaf((m) => m.secret()),
  in_a_closure: leaf((m) => m.closure()),
  in_a_map: leaf((m) => {
    m.map.set('count', (m.map.get('count') ?? 0) + 1);
    return m.map.get('count');
  }),
  in_bytes: leaf((m) => {
    m.bytes[0] = (m.bytes[0] ?? 0) + 1;
    return m.bytes[0];
  }),
};

const toy = toyImage({});
const image = new KernelImage(
  {
    ...toy.spec,
    modules: { ...kernModules, ...toy.spec.modules, driver: { data: driver_data, text } },
    link: (cpu, at) => {
      const kern = linkKern(cpu, at);
      return {
        ...toy.spec.link(cpu, at),
        ...kernLinked(kern),
        driver: new Driver(kern, at.driver as number),
      };
    },
  },
  new Uint8Array(20),
);

const twice = (symbol: string, amnesia: boolean): number[] => {
  const run = new KernelRun(image, amnesia);
  return [run.call(symbol), run.call(symbol)];
};

test('KERN-5: what a driver keeps in memory it still has, with amnesia as without', () => {
  expect(twice('in_memory', false)).toEqual([1, 2]);
  expect(twice('in_memory', true)).toEqual([1, 2]);
});

test.each(['in_a_field', 'in_an_object'])(
  'KERN-5: amnesia mode stops a driver that keeps state %s: the object is frozen',
  (symbol) => {
    expect(twice(symbol, false)).toEqual([1, 2]);
    expect(() => twice(symbol, true)).toThrow(TypeError);
  },
);

test.each(['in_a_private_field', 'in_a_closure', 'in_a_map', 'in_bytes'])(
  'KERN-5: with amnesia a driver that keeps state %s has lost it at the next macro-instruction',
  (symbol) => {
    expect(twice(symbol, false)).toEqual([1, 2]);
    expect(twice(symbol, true)).toEqual([1, 1]);
  },
);
