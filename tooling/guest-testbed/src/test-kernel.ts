/*
 * The smallest kernel that packages can be tested in on a real machine: kern, start of day, flat memory, suspend and resume,
 * and the packages that the test brings. There is no pmap, no uvm, no machdep and no clock: what goes wrong is the
 * fault of the package under test.
 */
import {
  type Cpu,
  KernelImage,
  kernLinked,
  kernModules,
  linkKern,
  type ModuleSpec,
  PAGE_SIZE,
} from '@port-xen/kern';
import { startText } from './start.ts';
import { suspendText } from './suspend.ts';
import { TestBase } from './test-base.ts';
import { test_data, test_pages } from './test-data.ts';
import type { TestMachine, TestParts } from './test-machine.ts';
import { ticksText } from './ticks.ts';

/** The packages under test, and the test's own text. */
export interface TestKernel {
  readonly modules: Readonly<Record<string, ModuleSpec>>;
  /** Symbol of text(hypervisor0) that attaches devices once events come. */
  readonly attach?: string;
  /** @param at the address of a module's data */
  link(base: TestBase, at: (module: string) => number): TestParts;
}

const BUILD_ID = new Uint8Array(20).fill(0x7e);

/** Links a test kernel. */
export const testKernel = (kernel: TestKernel): KernelImage => {
  const link = (cpu: Cpu, data: Readonly<Record<string, number>>) => {
    const at = (module: string): number => {
      const address = data[module];
      if (address === undefined) throw new Error(`the test kernel has no data for ${module}`);
      return address;
    };
    const kern = linkKern(cpu, data);
    const base = new TestBase(cpu, at('testbed'), at('testbed_pages'), kern);
    const parts = kernel.link(base, at);
    const machine: TestMachine = { base, parts, attach: kernel.attach ?? '' };
    return { ...kernLinked(kern), testbed: machine, ...parts.linked };
  };
  return new KernelImage(
    {
      name: 'test',
      version: '0',
      entry: 'test_start',
      programs: [],
      modules: {
        ...kernModules,
        testbed: { data: test_data, text: { ...startText, ...ticksText, ...suspendText } },
        testbed_pages: { data: test_pages, align: PAGE_SIZE },
        ...kernel.modules,
      },
      link,
    },
    BUILD_ID,
  );
};
