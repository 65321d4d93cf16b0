/*
 * What `domu demo --full` runs: two domains on one host.
 *
 *     web    serves its disk over HTTP
 *     work   counts seconds on its console, hashes a disk, and fetches web's disk to another disk, all at once
 */
import { join } from 'node:path';
import { type DomainConfig, fromJson, type Interface } from '@port-xen/toolstack';

const MIB = 2 ** 20;
export const MEMORY_MIB = 16;
const WEB_SIZE = 3 * MIB;
const HASH_SIZE = 8 * MIB;
/** How far `work` counts. */
export const SECONDS = 4;

export const NAMES = ['web', 'work'] as const;
export type Name = (typeof NAMES)[number];

const PROGRAMS: Readonly<Record<Name, string>> = {
  web: 'httpd /dev/xbd0',
  work: `sh -c counter ${SECONDS} & sha256 /dev/xbd0 & httpget -o /dev/xbd1 http://10.9.0.1/ & wait; date`,
};
/** The disks of each, and their sizes: the second of `work` is empty. */
export const DISKS: Readonly<Record<Name, readonly (readonly [file: string, size: number])[]>> = {
  web: [['web.img', WEB_SIZE]],
  work: [
    ['hash.img', HASH_SIZE],
    ['copy.img', WEB_SIZE],
  ],
};

/** @param folder where the disks are */
export const configOf = (name: Name, folder: string, xen: Interface): DomainConfig => {
  const address = NAMES.indexOf(name) + 1;
  return fromJson(
    JSON.stringify({
      c_info: { type: 'pv', name, uuid: `20080612-0000-4000-8000-66756c6c000${address}` },
      b_info: {
        max_vcpus: 1,
        avail_vcpus: [0],
        max_memkb: MEMORY_MIB * 1024,
        target_memkb: MEMORY_MIB * 1024,
        cmdline: `xennet0=10.9.0.${address}/24 init=${PROGRAMS[name]}`,
        interface: xen,
        'type.pv': {},
      },
      disks: DISKS[name].map(([file], i) => ({
        pdev_path: join(folder, file),
        vdev: ['xvda', 'xvdb'][i],
        format: 'raw',
        readwrite: 1,
      })),
      nics: [{ devid: 0, mac: `00:16:3e:00:00:0${address}`, bridge: 'xenbr0' }],
    }),
  );
};

/** A domain's save file. */
export const imageOf = (folder: string, name: Name): string => join(folder, `${name}.save`);
/** What `work` has printed. */
export const printedOf = (folder: string): string => join(folder, 'work.txt');
