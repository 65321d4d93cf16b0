import type { Frame, Port } from '@port-xen/bridge';
import type { Sim } from '@port-xen/sim';
import type { DeviceHandle } from '@port-xen/xenbus-backend';
import type { Counting } from './counters.ts';
import type { NetbackXen } from './netback-xen.ts';

/** What a connection is made of. */
export interface ConnectionParts {
  readonly sim: Sim;
  readonly dom0: Pick<NetbackXen, 'bindInterdomain' | 'notify' | 'close'>;
  readonly handle: Pick<DeviceHandle, 'domid' | 'devid' | 'draining' | 'giveUp' | 'tell'>;
  /** What the back end offered: checksums may be left blank. */
  readonly features: { readonly checksumOffload: boolean };
  /** What the front end takes. */
  readonly frontend: { readonly sg: boolean; readonly checksumOffload: boolean };
  /** The interface's place on its bridge. */
  readonly port: Port;
  readonly counting: Counting;
  /** A frame passed between guest and back end; 'out' is from the guest. */
  readonly onFrame: (direction: 'in' | 'out', frame: Frame) => void;
}
