/*
 * What a kernel of machdep's is made of beside kern: page tables, memory, events, start of day, suspend, the balloon. Their text works on
 * what Machdep names. What leads to domain 0, the clock and the drivers are added by whoever puts the kernel together.
 */
import { evtchn_data, evtchnText, upcallText } from '@port-xen/evtchn';
import { type Linked, type ModuleSpec, PAGE_SIZE } from '@port-xen/kern';
import { bytes, struct } from '@port-xen/layout';
import { pmap_data, pmapText } from '@port-xen/pmap';
import { uvm_data, uvmText } from '@port-xen/uvm';
import { balloon_data, balloonText } from './balloon.ts';
import type { Machdep } from './machdep.ts';
import { mainText } from './main.ts';
import { processText } from './process.ts';
import { machdep_data } from './start-of-day.ts';
import { suspendText } from './suspend.ts';
import { sysctlText } from './sysctl.ts';
import { trapText } from './trap.ts';

/** A kernel address at which a page can be looked at. */
const window_page = struct('window_page', { page: bytes(PAGE_SIZE) });

export const machdepModules: Readonly<Record<string, ModuleSpec>> = {
  window: { data: window_page, align: PAGE_SIZE },
  pmap: { data: pmap_data, text: pmapText },
  uvm: { data: uvm_data, text: uvmText },
  evtchn: { data: evtchn_data, text: evtchnText },
  upcall: { text: upcallText },
  machdep: {
    data: machdep_data,
    text: { ...mainText, ...processText, ...suspendText, ...sysctlText, ...trapText },
  },
  balloon: { data: balloon_data, text: balloonText },
};

/** What the text of those modules works on. */
export const machdepLinked = (machdep: Machdep): Linked => {
  const { kern, pmap, uvm, evtchn, balloon } = machdep;
  return { pmap, uvm, evtchn, upcall: { evtchn, sched: kern.sched }, machdep, balloon };
};
