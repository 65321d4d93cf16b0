/*
 * The part of a report that every PV guest has: P2M, start_info, shared_info, the pages shared with domain 0, vCPUs.
 */
import { XEN2_SLOT_FRAMES } from '@port-xen/hypervisor';
import pc from 'picocolors';
import type { ImageReport } from './image-report.ts';
import { type NamedAddress, plain } from './names.ts';
import type { MessageReport, RingReport } from './rings-report.ts';
import { count, type Row, type TextPage } from './text-page.ts';
import type { VcpuReport } from './vcpu-report.ts';

/** The MFNs of a slot: whole machines have numbers of their own in the model. */
const SLOT_FRAMES = { 'xen-3.0': 2 ** 21, 'xen-2.0': XEN2_SLOT_FRAMES };
/** Leaf pages that are told one by one. */
const LEAVES = 8;
const PORTS = 16;

const shown = ({ address, symbol }: NamedAddress): string =>
  symbol === undefined ? address : `${address} ${pc.cyan(symbol)}`;

const some = (items: readonly (string | number)[], most: number): string =>
  items.length <= most
    ? items.join(' ')
    : `${items.slice(0, most).join(' ')} … ${count(items.length - most)} more`;

const showP2m = (page: TextPage, report: ImageReport): void => {
  const { p2m, tsc, cpuidLeaves, msrEntries } = report;
  if (p2m !== undefined) {
    page.section('P2M', `pfns 0x0 … ${p2m.maxPfn}`);
    const rows: Row[] = [['its own pages', `pfn ${some(p2m.leafPfns, LEAVES)}`]];
    rows.push(['entries with a frame', count(p2m.frames)]);
    if (p2m.lowest !== undefined && p2m.highest !== undefined) {
      const slot = Math.floor(Number(p2m.lowest) / SLOT_FRAMES[report.interface]);
      rows.push(['MFNs on the old host', `${p2m.lowest} … ${p2m.highest} (slot ${slot})`]);
    }
    page.rows(rows);
  }
  page.section('Processor and time');
  page.rows([
    ['CPUID leaves', cpuidLeaves],
    ['MSR policy entries', msrEntries],
    ...(tsc === undefined
      ? []
      : ([
          [
            'TSC',
            `mode ${tsc.mode}, ${count(tsc.khz)} kHz, ${count(BigInt(tsc.nsec))} ns, incarnation ${tsc.incarnation}`,
          ],
        ] as Row[])),
  ]);
};

/** Seconds since 1970 as a date, if there is such a date. */
const time = (seconds: number): string => {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.valueOf()) ? `${count(seconds)} s` : date.toISOString();
};

/** What is to be known of the two pages, by whose they are. */
const NOTES = {
  'xen-3.0': {
    startInfo: 'store_mfn and console_mfn are pfns while it is saved',
    sharedInfo: 'a restore keeps vcpu_info and arch only',
    wallclock: 'wall clock at host boot',
    vcpu: 'vcpu_info',
  },
  'xen-2.0': {
    startInfo: "Xen 2's",
    sharedInfo: "Xen 2's; a restore keeps 344 bytes without what is pending",
    wallclock: 'wall clock at that time',
    vcpu: 'vcpu_data',
  },
};

const showInfo = (page: TextPage, report: ImageReport): void => {
  const { startInfo, sharedInfo } = report;
  const notes = NOTES[report.interface];
  if (startInfo !== undefined) {
    const { pfn, ...fields } = startInfo;
    page.section('start_info', `pfn ${pfn}; ${notes.startInfo}`);
    page.rows(
      Object.entries(fields).map(([field, value]) => [
        field,
        typeof value === 'object'
          ? shown(value)
          : typeof value === 'number'
            ? count(value)
            : plain(value),
      ]),
    );
  }
  if (sharedInfo === undefined) return;
  const { vcpus, pendingPorts, unmaskedPorts, wallclock_s, ...fields } = sharedInfo;
  page.section('shared_info', notes.sharedInfo);
  page.rows([
    ...Object.entries(fields).map(([field, value]): Row => [field, String(value)]),
    [notes.wallclock, time(wallclock_s)],
    ['pending ports', some(pendingPorts, PORTS) || 'none'],
    ['unmasked ports', some(unmaskedPorts, PORTS) || 'none'],
    ...vcpus.map(
      (v, i): Row => [
        `${notes.vcpu}[${i}]`,
        `pending ${v.upcall_pending}, mask ${v.upcall_mask}, time ${count(v.system_time_ns)} ns`,
      ],
    ),
  ]);
};

const ring = ({ producer, consumer, pending }: RingReport): string =>
  `prod ${producer}, cons ${consumer}: ${pending} bytes pending`;

const messageRows = (messages: readonly MessageReport[]): Row[] =>
  messages.map(({ type, request, transaction, payload }) => [
    '',
    `${type} req ${request} tx ${transaction} ${payload}`,
  ]);

const showRings = (page: TextPage, { store, console }: ImageReport): void => {
  if (store !== undefined) {
    page.section('xenstore page', `pfn ${store.pfn}`);
    page.rows([
      ['requests', ring(store.requests)],
      ...messageRows(store.requests.messages),
      ['responses', ring(store.responses)],
      ...messageRows(store.responses.messages),
      ['connection', `${store.connection}, error ${store.error}, features ${store.serverFeatures}`],
    ]);
  }
  if (console === undefined) return;
  page.section('Console page', `pfn ${console.pfn}`);
  page.rows([
    ['input', ring(console.input)],
    ['output', ring(console.output)],
  ]);
  if (console.input.text !== '')
    page.line(`not read by the guest: ${JSON.stringify(console.input.text)}`);
  if (console.shown !== '') page.block(pc.dim(console.shown));
  if (console.output.text !== '') page.block(console.output.text);
};

const showControl = (page: TextPage, { control }: ImageReport): void => {
  if (control === undefined) return;
  page.section('Control interface', 'in the page of shared_info; a restore begins with it at rest');
  for (const [name, { req_prod, resp_prod, unanswered }] of [
    ['to the controller', control.tx],
    ['to the guest', control.rx],
  ] as const) {
    page.rows([
      [name, `requests ${req_prod}, responses ${resp_prod}: ${unanswered.length} unanswered`],
      ...unanswered.map(
        ({ type, subtype, id, length, text }): Row => [
          '',
          `${type} ${subtype} id ${id}, ${length} bytes${text === undefined ? '' : ` ${JSON.stringify(text)}`}`,
        ],
      ),
    ]);
  }
};

const REGISTERS_A_LINE = 2;

const showVcpu = (page: TextPage, v: VcpuReport): void => {
  page.section(`vCPU ${v.id}`, v.flags.join(', '));
  const registers = Object.entries(v.registers);
  page.rows(registers.slice(0, 2).map(([name, value]) => [name, shown(value)]));
  const rest = registers.slice(2);
  const rows: Row[] = [];
  for (let i = 0; i < rest.length; i += REGISTERS_A_LINE) {
    rows.push(rest.slice(i, i + REGISTERS_A_LINE).flatMap(([name, value]) => [name, shown(value)]));
  }
  page.rows(rows);
  page.rows([
    [
      'segments',
      Object.entries(v.segments)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    ],
    [
      'bases',
      Object.entries(v.bases)
        .map(([name, value]) => `${name} ${value}`)
        .join(', '),
    ],
    [
      'cr3',
      `L4 at pfn ${v.cr3_pfn}${v.cr1_pfn === undefined ? '' : `, the user's at pfn ${v.cr1_pfn}`}`,
    ],
    [
      'GDT',
      `${v.gdt.entries} entries${v.gdt.entries === 0 ? '' : `, pfn ${v.gdt.pfns.join(' ')}`}`,
    ],
    ['LDT', `${v.ldt.entries} entries`],
    ['kernel stack', shown(v.kernelStack)],
    ['vm_assist', v.vmAssist],
    ...Object.entries(v.callbacks).map(([name, value]): Row => [`${name} callback`, shown(value)]),
    ...(v.xsave
      ? [['XSAVE', `${v.xsave.bytes} bytes, xcr0 ${v.xsave.xcr0}, accum ${v.xsave.xcr0_accum}`]]
      : []),
    ...(v.msrs ?? []).map(({ index, value }): Row => [`MSR ${index}`, value]),
  ]);
  if (v.traps.length === 0) return;
  page.line(pc.bold('trap table'));
  page.rows(
    v.traps.map((trap) => [
      `  ${trap.vector}`,
      trap.name,
      shown(trap),
      pc.dim(`cs ${trap.cs}, dpl ${trap.dpl}${trap.masksEvents ? ', masks events' : ''}`),
    ]),
  );
};

/** Everything that does not depend on whose kernel it is. */
export const showGuest = (page: TextPage, report: ImageReport): void => {
  showP2m(page, report);
  showInfo(page, report);
  showRings(page, report);
  showControl(page, report);
  for (const vcpu of report.vcpus) showVcpu(page, vcpu);
};
