import { type KernelImage, TextEngine } from '@port-xen/kern';
import type { Interface } from '@port-xen/toolstack';
import { buildId } from './build-id.ts';
import { type KernelVariant, kernelFile, kernelImage, xen2Kernel } from './kernel.ts';

/** The kernel that every domU here runs: its ELF file, and the engine for its text. */
export interface Guest {
  readonly elf: Uint8Array;
  readonly engine: TextEngine;
  readonly buildId: Uint8Array;
  /** Whose domain it is made for. */
  readonly interface: Interface;
}

/** The kernel for domains of an interface; undefined is the one that is run by default. */
export const variantOf = (xen?: Interface): KernelVariant | undefined =>
  xen === 'xen-2.0' ? xen2Kernel : undefined;

/** A kernel laid out, and its ELF file: neither is ever changed. */
interface Kernel {
  readonly image: KernelImage;
  readonly elf: Uint8Array;
}

const layOut = (variant: KernelVariant): Kernel => {
  const image = kernelImage(buildId(variant.interface), variant);
  return { image, elf: kernelFile(image) };
};

/** The kernel that is run by default, laid out once: a start from a snapshot finds it there. */
let plain: Kernel | undefined;

/** @param amnesia throw the kernel's objects away before every macro-instruction */
export const makeGuest = (amnesia: boolean, variant?: KernelVariant): Guest => {
  if (variant === undefined) plain ??= layOut({});
  const { image, elf } = variant === undefined ? (plain as Kernel) : layOut(variant);
  return {
    elf,
    engine: new TextEngine(image, { amnesia }),
    buildId: image.buildId,
    interface: variant?.interface ?? 'xen-3.0',
  };
};
