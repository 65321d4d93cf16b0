/*
 * A domain's event channels: Xen's word for what is at the other end, the kernel's for who answers.
 */
import { EVTCHNSTAT_interdomain, EVTCHNSTAT_unbound, EVTCHNSTAT_virq } from '@port-xen/abi';
import { evtchn_data, NR_EVENT_CHANNELS } from '@port-xen/evtchn';
import { textOf } from '@port-xen/layout';
import type { Guest } from '../guest.ts';
import { kernelData } from './kernel-data.ts';
import type { Still } from './still.ts';
import { table } from './table.ts';

interface Answered {
  readonly name: string;
  readonly handler: string;
  readonly other: string;
  readonly port: number;
}

const answered = (guest: Guest, { memory, channels }: Still): Answered[] => {
  const d = evtchn_data.at(kernelData(guest, memory, 'evtchn', evtchn_data.size), 0);
  const found: Answered[] = [];
  for (let port = 0; port < NR_EVENT_CHANNELS; port++) {
    const slot = d.slot_of.get(port);
    if (slot === 0) continue;
    const { ev_evname, ev_func } = d.sources.at(slot - 1);
    const channel = channels(port);
    let other = 'nothing';
    if (channel?.status === EVTCHNSTAT_virq) other = `virtual interrupt ${channel.virq}`;
    if (channel?.status === EVTCHNSTAT_interdomain) other = `domain ${channel.dom}`;
    if (channel?.status === EVTCHNSTAT_unbound) other = `free for domain ${channel.dom}`;
    const handler = guest.engine.image.symbolAt(ev_func);
    found.push({ name: textOf(ev_evname), handler, other, port });
  }
  return found;
};

/** The ports with a handler, in two lives: those of one handler in a row. */
export const channelTable = (guest: Guest, first: Still, second: Still): string => {
  const later = answered(guest, second);
  const rows = answered(guest, first).map(({ name, handler, other, port }) => {
    const again = later.find((one) => one.name === name && one.handler === handler);
    return [name, handler, other, port, again?.other ?? 'nothing', again?.port ?? 'none'];
  });
  return table(
    ['channel', 'handler', 'at boot: other end', 'port', 'at the restore: other end', 'port'],
    rows,
  );
};
