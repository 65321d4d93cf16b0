/*
 * Where a domain is: everything about it that means something on one host and in one life only.
 */
import { vdevNumber } from '@port-xen/toolstack';
import type { World } from './world.ts';

const RUNS_SHOWN = 6;

/** Runs of consecutive numbers, as `0xa…0xb`. */
const runs = (numbers: readonly number[]): string[] => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const out: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let j = i;
    while (sorted[j + 1] === (sorted[j] as number) + 1) j++;
    out.push(`0x${(sorted[i] as number).toString(16)}…0x${(sorted[j] as number).toString(16)}`);
    i = j + 1;
  }
  return out;
};

const days = (ns: number): string => {
  const s = ns / 1e9;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h ${((s % 3600) / 60).toFixed(1)} min`;
};

/** Name and value, in the order in which they are told. */
export const whereabouts = (
  world: World,
  domid: number,
): readonly (readonly [string, string])[] => {
  const { hv, host } = world;
  const home = `/local/domain/${domid}`;
  const store = world.xenstored.connect(0);
  const read = (node: string): string => store.tryRead(`${home}/${node}`) ?? '-';
  const disks = world.xl.configOf(domid).disks.map(({ vdev }) => vdevNumber(vdev));
  const owned: number[] = [];
  for (let mfn = hv.firstMfn; mfn < hv.firstMfn + hv.frames; mfn++) {
    if (hv.host.table.ownerOf(mfn) === domid) owned.push(mfn);
  }
  const frames = runs(owned);
  const shown = frames.slice(0, RUNS_SHOWN).join(' ');
  const facts: (readonly [string, string])[] = [
    [
      'host',
      `slot ${host.slot}, up ${days(hv.uptime_ns())}, TSC ${(host.tscKhz / 1e6).toFixed(3)} GHz`,
    ],
    ['domid', `${domid}`],
    ['frames', frames.length > RUNS_SHOWN ? `${shown} … (${frames.length} runs)` : shown],
  ];
  if (world.xl.configOf(domid).interface === 'xen-2.0') {
    const { control = '-', block = '-' } = world.controller.portsOf(domid) ?? {};
    const { sharedInfoMfn } = hv.domctl.getDomainInfo(domid);
    return [
      ...facts,
      ['control', `shared_info mfn 0x${sharedInfoMfn.toString(16)}, port ${control}`],
      ['blkif 0', `port ${block}, disks ${disks.join(' ')}`],
    ];
  }
  return [
    ...facts,
    ['store', `mfn ${read('store/ring-ref')}, port ${read('store/port')}`],
    ['console', `mfn ${read('console/ring-ref')}, port ${read('console/port')}`],
    ...disks.map((id): readonly [string, string] => [
      `vbd ${id}`,
      `ring grant ${read(`device/vbd/${id}/ring-ref`)}, port ${read(`device/vbd/${id}/event-channel`)}, ` +
        `back end ${read(`device/vbd/${id}/backend`)}`,
    ]),
  ];
};
