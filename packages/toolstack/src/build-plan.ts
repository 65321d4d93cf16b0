import type { DomainConfig } from './domain-config.ts';
import { type DomainLayout, domainLayout } from './domain-layout.ts';
import { guestInterface } from './guest-interface.ts';
import { type KernelImage, kernelImage } from './kernel-image.ts';
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
  if (config.interface !== undefined && config.interface !== image.interface) {
    throw new ToolstackError(
      `expected a kernel for ${config.interface}, as the configuration says, found one for ${image.interface}`,
    );
  }
  if (ramdisk !== undefined) {
    throw new ToolstackError(
      `expected no ramdisk, found ${JSON.stringify(ramdisk)}: a kernel is loaded alone`,
    );
  }
  const { cmdlineBytes } = guestInterface(image.interface);
  if (cmdline.length >= cmdlineBytes) {
    throw new ToolstackError(
      `expected a command line of at most ${cmdlineBytes - 1} characters, found ${cmdline.length}`,
    );
  }
  return { kernel, image, layout: domainLayout(image, Math.floor(targetMem_kib / 4)), cmdline };
};
