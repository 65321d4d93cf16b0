import { leaf, type Text } from '@port-xen/kern';
import type { Pmap } from './pmap.ts';

export const pmapText: Text<Pmap> = {
  /** leaf(pmap): the scheduler switches to a user lwp. */
  pmap_activate: leaf((m, pm) => m.users.activate(pm)),
};
