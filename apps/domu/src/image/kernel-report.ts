/*
 * Our kernel's own structures in an image: what each lwp waits for and through which routines it came there, and every
 * field of every module's data by its name, softcs, grant table and device tree among them.
 */
import { lwp, NLWP, UAREA_SIZE } from '@port-xen/kern';
import { ldI64, type Memory, textOf } from '@port-xen/layout';
import { NotMapped } from './guest-memory.ts';
import { addressOf, hex, hex64, named } from './names.ts';
import type { KernelSymbols, SavedKernel } from './saved-kernel.ts';
import { type Leaf, structLeaves } from './struct-leaves.ts';

export interface LwpReport {
  readonly lid: number;
  readonly name: string;
  readonly state: string;
  readonly priority: number;
  /** What it waits on. */
  readonly wchan?: string;
  /** Return addresses on its stack, the innermost first. */
  readonly stack: readonly string[];
}

/** One module's fields that are not zero, `path` to value. */
export type ModuleReport = Readonly<Record<string, string>>;

export interface KernelReport {
  readonly kernel: SavedKernel['kind'];
  readonly buildId?: string;
  readonly lwps?: readonly LwpReport[];
  readonly modules?: Readonly<Record<string, ModuleReport>>;
}

const STATES = ['unused', 'runnable', 'asleep', 'running'] as const;
const LSONPROC = 3;
/** Modules that are mere pages: stacks, windows, scratch. */
const PAGES = new Set(['uarea', 'window', 'hypercall_args', 'HYPERVISOR_shared_info']);

/** A field's value for people: an address with its name, a number both ways, text in quotes. */
const shownValue = ({ word, size, text, bytes }: Leaf, symbols: KernelSymbols): string => {
  if (text !== undefined) return JSON.stringify(text);
  if (bytes !== undefined) return `${bytes.count} bytes, sha256 ${bytes.digest}…`;
  const value = word ?? 0n;
  if (size === 8) {
    const { symbol } = named(value, symbols);
    if (symbol !== undefined) return `${hex64(value)} ${symbol}`;
    if (addressOf(value) < 0)
      return addressOf(value) > -4096 ? `${addressOf(value)}` : hex64(value);
  }
  if (size === 4 && value >= 0xffff_f000n) return `${Number(BigInt.asIntN(32, value))}`;
  return value < 10n ? `${value}` : `${value} (${hex(value)})`;
};

/** What can be told though a page of it is missing from the image. */
const untilGap = <T>(items: Iterable<T>): T[] => {
  const found: T[] = [];
  try {
    for (const item of items) found.push(item);
  } catch (error) {
    if (!(error instanceof NotMapped)) throw error;
  }
  return found;
};

/** Addresses in the kernel's text between a stack pointer and the stack's end. */
function* callersOn(
  memory: Memory,
  from: number,
  to: number,
  symbols: KernelSymbols,
): Generator<string> {
  for (let at = from; at < to; at += 8) {
    const word = ldI64(memory, at);
    if (symbols.isText(word)) yield symbols.image.symbolAt(word);
  }
}

/** @param rsp of the processor: where the running lwp's stack stands */
function* lwpsOf(memory: Memory, symbols: KernelSymbols, rsp: number): Generator<LwpReport> {
  const { sched: start = 0, uarea = 0 } = symbols.image.data;
  const table = start + (symbols.image.spec.modules.sched?.data?.offset.lwps ?? 0);
  for (let i = 0; i < NLWP; i++) {
    const l = lwp.at(memory, table + i * lwp.size);
    if (l.l_stat === 0) continue;
    const { l_wchan } = l;
    const wchan = symbols.nameOf(l_wchan) ?? hex64(BigInt(l_wchan));
    const end = uarea + (i + 1) * UAREA_SIZE;
    const top = l.l_stat === LSONPROC ? rsp : l.l_sp;
    const onStack = top >= end - UAREA_SIZE && top < end;
    yield {
      lid: l.l_lid,
      name: textOf(l.l_name),
      state: STATES[l.l_stat] ?? `state ${l.l_stat}`,
      priority: l.l_priority,
      ...(l_wchan === 0 ? {} : { wchan }),
      stack: onStack ? untilGap(callersOn(memory, top, end, symbols)) : [],
    };
  }
}

const modulesOf = (
  memory: Memory,
  symbols: KernelSymbols,
): Readonly<Record<string, ModuleReport>> => {
  const { image } = symbols;
  const modules: Record<string, ModuleReport> = {};
  for (const [name, start] of Object.entries(image.data)) {
    const struct = image.spec.modules[name]?.data;
    if (struct === undefined || PAGES.has(name)) continue;
    const leaves = untilGap(structLeaves(struct, memory, start));
    modules[name] = Object.fromEntries(
      leaves.map((leaf) => [leaf.path, shownValue(leaf, symbols)]),
    );
  }
  return modules;
};

/**
 * What is known of an image's kernel.
 * @param memory by virtual address
 * @param rsp of vCPU 0
 */
export const kernelReport = (
  { kind, buildId, symbols }: SavedKernel,
  memory: Memory | undefined,
  rsp: number,
): KernelReport => ({
  kernel: kind,
  ...(buildId === undefined ? {} : { buildId }),
  ...(symbols === undefined || memory === undefined
    ? {}
    : { lwps: untilGap(lwpsOf(memory, symbols, rsp)), modules: modulesOf(memory, symbols) }),
});
