import type { Struct } from '@port-xen/layout';
import type { Cpu } from './cpu.ts';
import type { Program } from './program.ts';
import type { SharedInfoLayout } from './shared-info.ts';
import type { Entry, Text } from './text.ts';

/** A module's place in a kernel: its data, and its text bound to the module's name. */
export interface ModuleSpec {
  /** Where its variables live; undefined when it has none. */
  readonly data?: Struct;
  /** Alignment of the data, bytes; the struct's own when absent. */
  readonly align?: number;
  // biome-ignore lint/suspicious/noExplicitAny: each module's text is bound to its own type
  readonly text?: Text<any>;
}

/** The objects of a linked kernel, by module name. */
export type Linked = Readonly<Record<string, object>>;

/**
 * A kernel: its modules, and how their objects are made from nothing but the processor and the addresses of their data.
 * `link` runs at boot, at restore and, in amnesia mode, before every macro-instruction.
 */
export interface KernelSpec {
  readonly name: string;
  readonly version: string;
  /** The Xen that the kernel is for, as its note says; xen-3.0 when absent. */
  readonly xenVersion?: SharedInfoLayout['xenVersion'];
  readonly modules: Readonly<Record<string, ModuleSpec>>;
  /** The symbol at which Xen starts the domain. */
  readonly entry: string;
  /** User programs carried in the image. */
  readonly programs: readonly Program[];
  link(cpu: Cpu, data: Readonly<Record<string, number>>): Linked;
}

/** One executable address: which module's function stands there. */
export interface LinkedEntry {
  readonly symbol: string;
  readonly module: string;
  // biome-ignore lint/suspicious/noExplicitAny: bound to the module at run time
  readonly entry: Entry<any>;
  /** For a routine: the step that runs here; '' for the others. */
  readonly step: string;
  /** For a routine: whether this is its entry point, which makes the frame before the first step. */
  readonly enters: boolean;
  /** For a routine: the distance in entries from here to each of its steps. */
  readonly steps: Readonly<Record<string, number>>;
}
