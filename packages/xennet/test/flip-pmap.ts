/* Pages that can be given away, in a kernel whose memory is flat. */
import type { Kern } from '@port-xen/kern';
import { Reservation } from '@port-xen/pmap';
import type { TestBase } from '@tooling/guest-testbed';
import type { XennetPmap } from '../src/index.ts';

export const flipPmap = ({ cpu, pmap }: TestBase, { args }: Pick<Kern, 'args'>): XennetPmap => ({
  extract: (pm, va) => pmap.extract(pm, va),
  mfnOf: (pa) => pmap.mfnOf(pa),
  kreplaceMa: (va, mfn, writable) => pmap.kenterMa(va, mfn, writable),
  kremove: (va) => pmap.kremove(va),
  reservation: new Reservation({
    cpu,
    args,
    get d() {
      return { xpmap_phys_to_machine_mapping: pmap.p2m, nr_pages: pmap.nrPages };
    },
    mfnOf: (pa) => pmap.mfnOf(pa),
    // No table is ever looked at through one.
    closeWindow: () => {},
  }),
});
