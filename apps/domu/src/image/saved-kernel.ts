/*
 * Which kernel an image holds. Ours says so in its own pages: the notes page, at a fixed place, begins with a GNU build id
 * and names the guest "port-xen". With this very build id the kernel here has the same symbols and layouts.
 */
import * as abi from '@port-xen/abi';
import {
  BUILD_ID_OFFSET,
  BUILD_ID_SIZE,
  KERNBASE,
  type KernelImage,
  NOTES_ADDRESS,
  PAGE_SIZE,
  UAREA_SIZE,
} from '@port-xen/kern';
import { buildId } from '../build-id.ts';
import { type KernelVariant, kernelImage, xen2Kernel } from '../kernel.ts';
import type { ImageIndex } from './image-index.ts';
import { pathAt } from './struct-leaves.ts';

const KERNELS: readonly KernelVariant[] = [{}, xen2Kernel];

/** What an image's kernel is. */
export interface SavedKernel {
  readonly kind: 'this build' | 'another build' | 'not ours';
  /** Hexadecimal; undefined for a kernel that is not ours. */
  readonly buildId: string | undefined;
  readonly symbols: KernelSymbols | undefined;
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

const STUB_SIZE = 32;
const HYPERCALLS = new Map(
  Object.entries(abi)
    .filter(([name]) => name.startsWith('__HYPERVISOR_'))
    .map(([name, number]) => [number, name.slice(2)]),
);

/** Where an offset into the hypercall page is: `HYPERVISOR_sched_op+0xa`. */
const stubName = (offset: number): string => {
  const number = Math.floor(offset / STUB_SIZE);
  const within = offset % STUB_SIZE;
  const name = HYPERCALLS.get(number) ?? `hypercall ${number}`;
  return within === 0 ? name : `${name}+0x${within.toString(16)}`;
};

/** Where an offset into the kernel stacks is; a stack's highest address is the end of its own, not the next one's. */
const stackName = (offset: number): string => {
  const number = Math.max(0, Math.ceil(offset / UAREA_SIZE) - 1);
  return `uarea[${number}]+0x${(offset - number * UAREA_SIZE).toString(16)}`;
};

/** Names for addresses in the kernel. */
export class KernelSymbols {
  readonly image: KernelImage;
  readonly #text: ReadonlySet<number>;

  constructor(image: KernelImage) {
    this.image = image;
    this.#text = new Set(image.symbols.values());
  }

  /** Whether a function or a step of one stands exactly there. */
  isText(address: number): boolean {
    return address >= NOTES_ADDRESS && address < this.image.dataStart && this.#text.has(address);
  }

  /** `sched.lwps[3].l_stat`, `tsleep.woken`; undefined for an address that is not the kernel's. */
  nameOf(address: number): string | undefined {
    const { image } = this;
    if (address < NOTES_ADDRESS || address >= image.end) return undefined;
    if (address >= image.hypercallPage && address < image.hypercallPage + PAGE_SIZE) {
      return stubName(address - image.hypercallPage);
    }
    if (address < image.dataStart) return image.symbolAt(address);
    for (const [module, start] of Object.entries(image.data)) {
      const struct = image.spec.modules[module]?.data;
      if (struct === undefined || address < start || address >= start + struct.size) continue;
      if (module === 'uarea') return stackName(address - start);
      const path = pathAt(struct, address - start);
      return address === start || path === undefined ? module : `${module}.${path}`;
    }
    return undefined;
  }
}

/** The modules whose data is in a page of the kernel, by its address. */
export const modulesInPage = ({ image }: KernelSymbols, address: number): string[] =>
  Object.entries(image.data)
    .filter(([module, start]) => {
      const size = image.spec.modules[module]?.data?.size ?? 0;
      return start < address + PAGE_SIZE && start + size > address;
    })
    .map(([module]) => module);

/** Looks for our kernel in an image's pages. */
export const findKernel = (index: ImageIndex): SavedKernel => {
  const page = index.page((NOTES_ADDRESS - KERNBASE) / PAGE_SIZE);
  const notes = Buffer.from(page ?? new Uint8Array());
  if (!notes.subarray(0, BUILD_ID_OFFSET).includes('GNU\0') || !notes.includes('port-xen\0')) {
    return { kind: 'not ours', buildId: undefined, symbols: undefined };
  }
  const found = hexOf(notes.subarray(BUILD_ID_OFFSET, BUILD_ID_OFFSET + BUILD_ID_SIZE));
  for (const variant of KERNELS) {
    const ours = buildId(variant.interface);
    if (found !== hexOf(ours)) continue;
    const symbols = new KernelSymbols(kernelImage(ours, variant));
    return { kind: 'this build', buildId: found, symbols };
  }
  return { kind: 'another build', buildId: found, symbols: undefined };
};
