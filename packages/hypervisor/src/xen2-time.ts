/*
 * Time as Xen 2 tells it (update_dom_time, xen/arch/x86/time.c of Xen 2.0): one set of values for the domain, all of one moment, the wall
 * clock too. A guest reckons on from the moment with the counter's frequency.
 *
 *     time_version1 + 1 · cpu_freq, tsc_timestamp, system_time, wc_sec, wc_usec · time_version2 := time_version1
 *
 * `domain_time` and the timeouts stay as they are: a guest here sets its timer by set_timer_op.
 */
import { xen2_shared_info } from '@port-xen/abi';
import { type Memory, st64 } from '@port-xen/layout';
import type { TimeSource } from './shared-info-layout.ts';

const { offset } = xen2_shared_info;

/** @param sharedInfo its address */
export const writeXen2Time = (memory: Memory, sharedInfo: number, from: TimeSource): void => {
  const { clock, tsc, rate, stamp_ns, offset_s } = from;
  const info = xen2_shared_info.at(memory, sharedInfo);
  const version = info.time_version1 + 1;
  const { s, ns } = clock.wallclockAt(stamp_ns);
  info.time_version1 = version;
  st64(memory, sharedInfo + offset.cpu_freq, rate.khz * 1000);
  memory.st32(sharedInfo + offset.tsc_timestamp, tsc.low);
  memory.st32(sharedInfo + offset.tsc_timestamp + 4, tsc.high);
  clock.storeSystemTime(memory, sharedInfo + offset.system_time, stamp_ns);
  info.wc_sec = s + offset_s;
  info.wc_usec = Math.floor(ns / 1000);
  info.time_version2 = version;
};
