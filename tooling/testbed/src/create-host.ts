import { Sim } from '@port-xen/sim';
import type { HostOptions } from './options.ts';
import { TestHost } from './test-host.ts';

/**
 * Makes a host. Without `sim` it is the first of a world of its own, of seed `seed` (1); give the next one the first's
 * `sim` to have both in one world, or none to have the other in another process, as it were.
 */
export const createHost = (
  options: Partial<HostOptions> & { readonly seed?: number } = {},
): TestHost => new TestHost({ ...options, sim: options.sim ?? new Sim(options.seed ?? 1) });
