import type { DomainConfig } from './domain-config.ts';
import { type DomainLayout, domainLayout } from './domain-layout.ts';
import { type KernelImage, kernelImage } from './kernel-image.ts';
import { CMDLINE_BYTES } from './start-info.ts';
import { ToolstackError } from './toolstack-error.ts';

/** A domain that can be built, as far as its kernel and its configuration say. */
export interface BuildPlan {
  /** The file. */
  readonly kernel: Uint8Array;
  readonly image: KernelImage;
  readonly layout: DomainLayout;
  readonly cmdline: string;
}

/**
 * Reads the kernel and lays the domain out, before anything is made.
 * @throws ToolstackError
 */
export const planBuild = (config: DomainConfig, kernel: Uint8Array): BuildPlan => {
  const { cmdline = '', ramdisk, targetMem_kib } = config;
  const image = kernelImage(kernel);
  if (ramdisk !== undefined) {
    throw new ToolstackError(
      `expected no ramdisk, found ${JSON.stringify(ramdisk)}: a kernel is loaded alone`,
    );
  }
  if (cmdline.length >= CMDLINE_BYTES) {
    throw new ToolstackError(
      `expected a command line of at most ${CMDLINE_BYTES - 1} characters, found ${cmdline.length}`,
    );
  }
  return { kernel, image, layout: domainLayout(image, Math.floor(targetMem_kib / 4)), cmdline };
};
