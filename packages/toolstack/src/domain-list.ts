/*
 * `xl list`: one line for each domain, as xl prints it.
 */
import type { Hypervisor } from '@port-xen/hypervisor';
import type { StoreClient } from '@port-xen/xenstore';
import { domainPath } from './store-paths.ts';

/** One domain, as it is now. */
export interface DomainRow {
  readonly name: string;
  readonly domid: number;
  readonly mem_mib: number;
  readonly vcpus: number;
  /** Running, blocked, paused, shut down, reason, dying: a letter each, or a dash. */
  readonly state: string;
  readonly time_s: number;
}

/** By shutdown reason: poweroff, reboot, suspend, crash, watchdog, soft reset. */
const REASONS = '-rscwS';

export const domainRows = (hv: Hypervisor, store: StoreClient): DomainRow[] =>
  hv.domctl.listDomains().map((info) => {
    const letter = (on: boolean, which: string): string => (on ? which : '-');
    const reason = info.shutdown ? (REASONS[info.shutdownReason] ?? '?') : '-';
    return {
      name:
        store.tryRead(`${domainPath(info.domid)}/name`) ??
        (info.domid === 0 ? 'Domain-0' : '(null)'),
      domid: info.domid,
      mem_mib: Math.floor(info.totPages / 256),
      vcpus: info.onlineVcpus,
      state:
        letter(info.running && !info.shutdown, 'r') +
        letter(info.blocked && !info.shutdown, 'b') +
        letter(info.paused, 'p') +
        letter(info.shutdown, 's') +
        reason +
        letter(info.dying, 'd'),
      time_s: info.cpuTime_ns / 1e9,
    };
  });

/** The rows under their heading, each line ended by a newline. */
export const domainListText = (rows: readonly DomainRow[]): string =>
  [
    'Name                                        ID   Mem VCPUs\tState\tTime(s)',
    ...rows.map((row) =>
      [
        row.name.padEnd(40),
        String(row.domid).padStart(5),
        String(row.mem_mib).padStart(5),
        String(row.vcpus).padStart(5),
        `    ${row.state} `,
        row.time_s.toFixed(1).padStart(8),
      ].join(' '),
    ),
    '',
  ].join('\n');
