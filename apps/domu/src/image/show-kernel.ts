/*
 * The part of a report that needs our kernel's symbols and layouts.
 */
import pc from 'picocolors';
import type { KernelReport, LwpReport } from './kernel-report.ts';
import { count, type TextPage } from './text-page.ts';

/** Fields of a module that are told; --json has all. */
const FIELDS = 24;

const showLwps = (page: TextPage, lwps: readonly LwpReport[]): void => {
  page.section('lwps', `${lwps.length}`);
  for (const { lid, name, state, priority, wchan, stack } of lwps) {
    const where = wchan === undefined ? '' : ` on ${pc.cyan(wchan)}`;
    page.line(
      `${String(lid).padStart(2)}  ${name.padEnd(16)} ${state}${where}, priority ${priority}`,
    );
    if (stack.length > 0) page.line(`      ${pc.dim(stack.join(' ← '))}`);
  }
};

const VALUE_WIDTH = 90;

const shortened = (value: string): string =>
  value.length <= VALUE_WIDTH ? value : `${value.slice(0, VALUE_WIDTH)}…`;

/** What is known of the kernel. */
export const showKernel = (page: TextPage, report: KernelReport): void => {
  const { kernel, buildId, lwps, modules } = report;
  page.section('Kernel');
  if (kernel === 'not ours') page.line('not ours: its structures are not known here');
  else if (kernel === 'another build') {
    page.line(`ours, but another build: ${buildId}. Its structures may lie elsewhere.`);
  } else page.line(`ours, this build: ${buildId}`);
  if (lwps !== undefined) showLwps(page, lwps);
  for (const [name, fields] of Object.entries(modules ?? {})) {
    const entries = Object.entries(fields);
    if (entries.length === 0) continue;
    page.section(name);
    page.rows(entries.slice(0, FIELDS).map(([path, value]) => [pc.dim(path), shortened(value)]));
    if (entries.length > FIELDS) {
      page.line(pc.dim(`… ${count(entries.length - FIELDS)} more; --json has all`));
    }
  }
};
