/*
 * xl's commands about domains that run in other processes.
 */
import { resolve } from 'node:path';
import { type DiskRow, diskListText, domainListText } from '@port-xen/toolstack';
import type { Command } from 'commander';
import { UserError } from '../user-error.ts';
import { askAll, askDomain, worlds } from './client.ts';
import { runConsole } from './console-client.ts';
import type { HostFacts, VcpuRow } from './protocol.ts';

const print = (text: string): void => {
  process.stdout.write(text);
};

const json = (value: unknown): void => print(`${JSON.stringify(value, null, 4)}\n`);

/** The rows of a domain, given by its name or number. @throws UserError when there is none */
const named = <Row extends { readonly name: string; readonly domid: number }>(
  domain: string,
  rows: readonly Row[],
): Row[] => {
  const found = rows.filter(({ name, domid }) => name === domain || String(domid) === domain);
  if (found.length > 0) return found;
  throw new UserError(`${domain} is an invalid domain identifier: no such domain`);
};

/** `xl vcpu-list`. */
const vcpuText = (rows: readonly VcpuRow[]): string =>
  [
    'Name                                ID  VCPU   CPU State   Time(s) Affinity (Hard / Soft)',
    ...rows.map(
      (row) =>
        `${row.name.padEnd(32)} ${String(row.domid).padStart(5)} ${String(row.vcpu).padStart(5)} ` +
        `${'0'.padStart(5)}   ${row.state.slice(0, 2)}-  ${row.time_s.toFixed(1).padStart(8)}  all / all`,
    ),
    '',
  ].join('\n');

/** Adds the commands to the program. */
export const worldCommands = (program: Command): void => {
  program
    .command('list [domain]')
    .description('list the domains of all running worlds')
    .option('--json', 'as JSON')
    .action(async (domain: string | undefined, flags: { json?: boolean }) => {
      const all = (await worlds()).flatMap((world) => world.rows);
      const rows = domain === undefined ? all : named(domain, all);
      if (flags.json) json(rows);
      else print(domainListText(rows));
    });
  program
    .command('console <domain>')
    .description('join the terminal to a console; control-] leaves')
    .action((domain: string) => runConsole(domain));
  program
    .command('save <domain> <file>')
    .description('save a domain into a file')
    .option('-c, --checkpoint', 'leave it running')
    .action(async (domain: string, file: string, flags: { checkpoint?: boolean }) => {
      const checkpoint = flags.checkpoint ?? false;
      await askDomain(domain, 'save', { file: resolve(file), checkpoint });
    });
  for (const [name, description] of [
    ['pause', 'stop a domain where it is'],
    ['unpause', 'let a paused domain go on'],
    ['destroy', 'end a domain at once'],
  ] as const) {
    program
      .command(`${name} <domain>`)
      .description(description)
      .action(async (domain: string) => {
        await askDomain(domain, name);
      });
  }
  for (const [name, description, doing] of [
    ['shutdown', 'ask a domain to power off', 'Shutting down'],
    ['reboot', 'ask a domain to reboot', 'Rebooting'],
  ] as const) {
    program
      .command(`${name} <domain>`)
      .description(description)
      .action(async (domain: string) => {
        process.stderr.write(`${doing} domain ${await askDomain(domain, name)}\n`);
      });
  }
  program
    .command('dump-core <domain> <file>')
    .description('write the memory of a domain into an ELF core file')
    .action(async (domain: string, file: string) => {
      await askDomain(domain, 'dump-core', { file: resolve(file) });
    });
  program
    .command('block-attach <domain> <disk>')
    .description('give a domain a disk: "file,raw,xvdb,w"')
    .action(async (domain: string, disk: string) => {
      await askDomain(domain, 'block-attach', { disk, folder: process.cwd() });
    });
  program
    .command('block-detach <domain> <vdev>')
    .description('take a disk from a domain')
    .action(async (domain: string, vdev: string) => {
      await askDomain(domain, 'block-detach', { vdev });
    });
  program
    .command('mem-set <domain> <mib>')
    .description('set the target of the balloon of a domain')
    .action(async (domain: string, mib: string) => {
      if (!/^\d+$/.test(mib))
        throw new UserError(`expected a size in MiB, found ${JSON.stringify(mib)}`);
      await askDomain(domain, 'mem-set', { mib: Number(mib) });
    });
  program
    .command('sysrq <domain> <key>')
    .description('send a key to the kernel of a domain')
    .action(async (domain: string, key: string) => {
      await askDomain(domain, 'sysrq', { key });
    });
  program
    .command('block-list <domain>')
    .description('list the disks of a domain')
    .option('--json', 'as JSON, with names, modes and targets')
    .action(async (domain: string, flags: { json?: boolean }) => {
      const rows = (await askDomain(domain, 'block-list')) as readonly DiskRow[];
      if (flags.json) json(rows);
      else print(diskListText(rows));
    });
  program
    .command('vcpu-list [domain...]')
    .description('list the virtual processors of domains, or of all')
    .option('--json', 'as JSON')
    .action(async (domains: readonly string[], flags: { json?: boolean }) => {
      const all = (await askAll('vcpu-list')).flat() as VcpuRow[];
      const rows = domains.length === 0 ? all : domains.flatMap((domain) => named(domain, all));
      if (flags.json) json(rows);
      else print(vcpuText(rows));
    });
  program
    .command('dmesg')
    .description('show what the hypervisors and toolstacks of all worlds did')
    .option('--json', 'as JSON, a list of lines for each world')
    .action(async (flags: { json?: boolean }) => {
      const stories = (await askAll('dmesg')) as string[][];
      if (flags.json) json(stories);
      else for (const lines of stories) print(`${lines.join('\n')}\n`);
    });
  program
    .command('info')
    .description('show what hosts there are')
    .option('--json', 'as JSON')
    .action(async (flags: { json?: boolean }) => {
      const hosts = (await askAll('info')) as HostFacts[];
      if (flags.json) {
        json(hosts);
        return;
      }
      for (const facts of hosts) {
        for (const [name, value] of Object.entries(facts)) print(`${name.padEnd(23)}: ${value}\n`);
        print('\n');
      }
    });
};
