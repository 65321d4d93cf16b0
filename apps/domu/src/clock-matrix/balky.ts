/*
 * balky0: a device that refuses the first suspend and no other. It stands beside mainbus0 and so is asked last, when
 * everything else is suspended already. Linked into the kernel for the cells in which a suspend is refused.
 */
import type { Clock } from '@port-xen/clock';
import { type Autoconf, leaf } from '@port-xen/kern';
import { struct, u32 } from '@port-xen/layout';
import type { KernelVariant } from '../kernel.ts';

const balky_softc = struct('balky_softc', { refused: u32 });

interface Balky {
  readonly autoconf: Autoconf;
  readonly data: number;
}

/** A clock that attaches balky0 when it starts. */
const withBalky = (clock: typeof Clock): typeof Clock =>
  class extends clock {
    override initclocks(commandLine: string): void {
      super.initclocks(commandLine);
      this.cpu.call(this.cpu.sym('balky_attach'));
    }
  };

/** The kernel with balky0. @param clock the clock's class */
export const balkyVariant = (
  clock: typeof Clock,
): KernelVariant & { readonly clock: typeof Clock } => ({
  clock: withBalky(clock),
  modules: {
    balky: {
      data: balky_softc,
      text: {
        balky_attach: leaf<Balky>(({ autoconf }) => {
          const dv = autoconf.attach('balky0', 0, 0);
          autoconf.pmfRegister(dv, autoconf.cpu.sym('balky_suspend'), 0);
        }),
        /** @returns 0 the first time: no */
        balky_suspend: leaf<Balky>(({ autoconf, data }) => {
          const sc = balky_softc.at(autoconf.cpu.memory, data);
          if (sc.refused !== 0) return 1;
          sc.refused = 1;
          return 0;
        }),
      },
    },
  },
  link: ({ autoconf }, data) => ({ balky: { autoconf, data: data.balky as number } }),
});
