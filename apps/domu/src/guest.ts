import { TextEngine } from '@port-xen/kern';
import { buildId } from './build-id.ts';
import { type KernelVariant, kernelFile, kernelImage } from './kernel.ts';

/** The kernel that every domU here runs: its ELF file, and the engine for its text. */
export interface Guest {
  readonly elf: Uint8Array;
  readonly engine: TextEngine;
  readonly buildId: Uint8Array;
}

/** @param amnesia throw the kernel's objects away before every macro-instruction */
export const makeGuest = (amnesia: boolean, variant: KernelVariant = {}): Guest => {
  const id = buildId();
  const image = kernelImage(id, variant);
  return { elf: kernelFile(image), engine: new TextEngine(image, { amnesia }), buildId: id };
};
