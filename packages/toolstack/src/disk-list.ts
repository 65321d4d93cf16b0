/*
 * `xl block-list`: one line for each disk of a domain, as xl prints it from what both ends say in xenstore.
 */
import type { StoreClient } from '@port-xen/xenstore';
import type { DiskConfig } from './domain-config.ts';
import { frontendPath, libxlPath } from './store-paths.ts';
import { vdevNumber } from './vdev.ts';

/** One disk, as it is now. What its front end has not said, or a guest of xen-2.0 says elsewhere, is -1. */
export interface DiskRow {
  /** Number of the device: 51712 of xvda. */
  readonly vdev: number;
  /** The back end's domain: domain 0. */
  readonly be: number;
  /** The front end's domain: so xl has it. */
  readonly handle: number;
  /** The front end's. */
  readonly state: number;
  readonly evt_ch: number;
  readonly ring_ref: number;
  /** '' when there is none. */
  readonly be_path: string;
  /** xvda. */
  readonly name: string;
  readonly mode: 'r' | 'w';
  readonly target: string;
}

export const diskRows = (
  store: StoreClient,
  domid: number,
  disks: readonly DiskConfig[],
): DiskRow[] =>
  disks.map((disk) => {
    const vdev = vdevNumber(disk.vdev);
    const node = (name: string): string | undefined =>
      store.tryRead(`${frontendPath('vbd', domid, vdev)}/${name}`);
    // The front end's directory is the guest's to write.
    const number = (name: string): number => {
      const value = node(name) ?? '';
      return /^\d{1,10}$/.test(value) ? Number(value) : -1;
    };
    const copy = `${libxlPath(domid)}/device/vbd/${vdev}`;
    return {
      vdev,
      be: 0,
      handle: domid,
      state: number('state'),
      evt_ch: number('event-channel'),
      ring_ref: number('ring-ref'),
      be_path: store.tryRead(`${copy}/backend`) ?? '',
      name: disk.vdev,
      mode: disk.readwrite ? 'w' : 'r',
      target: disk.pdevPath,
    };
  });

const line = (
  columns: readonly [
    vdev: string | number,
    be: string | number,
    handle: string | number,
    state: string | number,
    evt_ch: string | number,
    ring_ref: string | number,
    be_path: string,
  ],
): string =>
  columns.map((column, i) => String(column).padEnd([5, 3, 6, 5, 6, 8, 30][i] as number)).join(' ');

/** The rows under their heading, each line ended by a newline. */
export const diskListText = (rows: readonly DiskRow[]): string =>
  [
    line(['Vdev', 'BE', 'handle', 'state', 'evt-ch', 'ring-ref', 'BE-path']),
    ...rows.map((row) =>
      line([row.vdev, row.be, row.handle, row.state, row.evt_ch, row.ring_ref, row.be_path]),
    ),
    '',
  ].join('\n');
