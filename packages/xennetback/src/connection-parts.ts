import type { Frame, Port } from '@port-xen/bridge';
import type { GrantMapping } from '@port-xen/hypervisor';
import type { BackRing } from '@port-xen/ring';
import type { Sim } from '@port-xen/sim';
import type { DeviceHandle } from '@port-xen/xenbus-backend';
import type { Counting } from './counters.ts';
import type { Features } from './features.ts';
import type { Frontend } from './frontend.ts';
import type { NetbackXen } from './netback-xen.ts';

/** What a connection is made of. */
export interface ConnectionParts {
  readonly sim: Sim;
  readonly dom0: NetbackXen;
  readonly handle: DeviceHandle;
  readonly features: Features;
  readonly frontend: Frontend;
  /** The interface's place on its bridge. */
  readonly port: Port;
  readonly counting: Counting;
  /** A frame passed between guest and back end; 'out' is from the guest. */
  readonly onFrame: (direction: 'in' | 'out', frame: Frame) => void;
}

/** A ring of a connection, mapped. */
export interface MappedRing {
  readonly mapping: GrantMapping;
  readonly ring: BackRing;
}
