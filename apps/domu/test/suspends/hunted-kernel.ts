/*
 * The kernel, and three texts of it that nothing calls: a test puts their addresses where the kernel keeps the address of a
 * handler, and so has a device refuse a suspend, or take its time over one, or the kernel overlook that it was asked.
 */
import { call, done, type Kern, leaf, PAGE_SIZE, routine, TextEngine } from '@port-xen/kern';
import { i64, struct, u32 } from '@port-xen/layout';
import type { Interface } from '@port-xen/toolstack';
import type { Engine } from '@port-xen/vcpu';
import { buildId } from '../../src/build-id.ts';
import { type KernelVariant, kernelFile, kernelImage } from '../../src/kernel.ts';

/** What the texts go by. */
export const hunted_data = struct('hunted_data', {
  /** hunted_dawdle waits while this is not 0. */
  held: u32,
  pad: u32,
  /** What it does then: the handler whose place it has; 0 for none. */
  original: i64,
});

interface Hunted {
  readonly kern: Kern;
  readonly data: number;
}

const dawdling = struct('hunted_dawdle_locals', { softc: i64, pad: i64 });
const dataOf = ({ kern, data }: Hunted) => hunted_data.at(kern.cpu.memory, data);

const variant: KernelVariant = {
  modules: {
    hunted: {
      data: hunted_data,
      align: PAGE_SIZE,
      text: {
        hunted_refuse: leaf<Hunted>(() => 0),
        hunted_overlook: leaf<Hunted>(() => 0),
        hunted_dawdle: routine<Hunted, typeof dawdling>(dawdling, {
          start: (_, l, softc) => {
            l.softc = softc;
            return call('wait', _.kern.cpu.sym('tsleep'), _.data, 1);
          },
          wait: (m, l) => {
            const { held, original } = dataOf(m);
            if (held !== 0) return call('wait', m.kern.cpu.sym('tsleep'), m.data, 1);
            return original === 0 ? done(1) : call('ended', original, l.softc);
          },
          ended: (_, __, result) => done(result),
        }),
      },
    },
  },
  link: (kern, data) => ({ hunted: { kern, data: data.hunted as number } }),
};

/** The kernel as a test has it. */
export interface HuntedKernel {
  readonly elf: Uint8Array;
  readonly engine: Engine;
  /** Whose domain it is made for. */
  readonly interface: Interface;
  /** Address of a module's data. */
  dataOf(module: string): number;
  /** Address of a text. */
  sym(name: string): number;
}

/** A kernel linked in the test's own process. */
export const linkKernel = (variant: KernelVariant, amnesia: boolean): HuntedKernel => {
  const image = kernelImage(buildId(variant.interface), variant);
  return {
    interface: variant.interface ?? 'xen-3.0',
    elf: kernelFile(image),
    engine: new TextEngine(image, { amnesia }),
    dataOf: (module) => image.data[module] as number,
    sym: (name) => image.sym(name),
  };
};

export const huntedKernel = (amnesia = false, xen: Interface = 'xen-3.0'): HuntedKernel =>
  linkKernel({ ...variant, interface: xen }, amnesia);
