/*
 * domu demo --full: disks, network, console and clock at work together. In the midst of it both domains are saved; in another process,
 * on another machine, both wake up and finish. What `work` printed in both lives and what is on the disks is judged in the end.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Interface } from '@port-xen/toolstack';
import pc from 'picocolors';
import { checkKernel } from '../check-kernel.ts';
import { makeDisk, sha256OfFile } from '../demo-disk.ts';
import { FileSink, FileSource } from '../file-stream.ts';
import { type Guest, makeGuest, variantOf } from '../guest.ts';
import { UserError } from '../user-error.ts';
import { Life } from './life.ts';
import { configOf, DISKS, imageOf, NAMES, type Name, printedOf, SECONDS } from './two-domains.ts';

const SEED = 2008;
const SLOT = 3;
/** Block requests after which both are saved: the fetch and the hash are under way then. */
const REQUESTS = 150;

/** What a guest says of its network interface once it has told the host of it. */
const CONNECTS: Readonly<Record<Interface, string>> = {
  'xen-3.0': 'xennet0: ring grants',
  'xen-2.0': 'xennet0: connected',
};

const firstLife = (guest: Guest, folder: string): void => {
  const life = new Life(guest, folder, SEED, SLOT);
  const { xl, xbdback } = life.world;
  const create = (name: Name): void => {
    const config = configOf(name, folder, guest.interface);
    life.add(name, xl.create(config, guest.elf, { paused: true }));
  };
  create('web');
  life.untilPrinted('port 80');
  life.untilPrinted(CONNECTS[guest.interface]);
  create('work');
  const before = xbdback.completed;
  life.runUntil('the work to be under way', () => xbdback.completed - before >= REQUESTS);
  life.facts();
  let saved = 0;
  for (const name of NAMES) {
    const sink = new FileSink(imageOf(folder, name));
    xl.save(life.domid(name), sink, {}, (error) => {
      if (error !== null) {
        sink.discard();
        throw new UserError(`${name} cannot be saved: ${error.message}`);
      }
      sink.commit();
      saved++;
    });
  }
  life.runUntil('both saves to end', () => saved === NAMES.length);
};

/** The second life, in a process that was given the folder's name and whose domains are in it. */
export const secondLife = (folder: string, xen: Interface): void => {
  const guest = makeGuest(false, variantOf(xen));
  const life = new Life(guest, folder, SEED + 1, SLOT + 1);
  let ended = false;
  for (const name of NAMES) {
    const source = new FileSource(imageOf(folder, name));
    const { domid } = life.world.xl.restore(source, {
      checkKernel: (pageAt) => checkKernel(pageAt, guest.buildId),
    });
    source.close();
    life.add(name, domid);
  }
  life.world.xl.onExit((domid) => {
    if (domid === life.domid('work')) ended = true;
  });
  life.untilPrinted('domain resumed');
  life.facts();
  life.runUntil('the work to end', () => ended);
};

const inAnotherProcess = (folder: string, xen: Interface): Promise<void> =>
  new Promise((settle, fail) => {
    const main = fileURLToPath(new URL('../main.ts', import.meta.url));
    const args = [...process.execArgv, main, 'demo-full-second-half', folder, xen];
    const child = spawn(process.execPath, args, { stdio: 'inherit' });
    child.on('error', fail);
    child.on('close', (code) => {
      if (code === 0) settle();
      else fail(new UserError(`the second process ended with exit status ${code}`));
    });
  });

/** What is to be, and what was found. */
type Finding = readonly [what: string, expected: string, found: string];

const judge = (folder: string): readonly Finding[] => {
  const printed = readFileSync(printedOf(folder), 'latin1');
  const digests = printed.match(/^[0-9a-f]{64}$/gm) ?? [];
  const web = sha256OfFile(join(folder, 'web.img'));
  const hash = sha256OfFile(join(folder, 'hash.img'));
  const expected = Array.from({ length: SECONDS }, (_, i) => i + 1);
  const counted = [...printed.matchAll(/^counter (\d+) up (\d+\.\d+) s$/gm)];
  const gaps = counted.slice(1).map((line, i) => Number(line[2]) - Number(counted[i]?.[2]));
  const steady = gaps.every((gap) => gap >= 1 && gap < 1.1);
  return [
    ['hashed disk', hash, digests.find((one) => one === hash) ?? 'none'],
    ['fetched', web, digests.find((one) => one === web) ?? 'none'],
    ['written', web, sha256OfFile(join(folder, 'copy.img'))],
    ['console', expected.join(' '), counted.map((line) => line[1]).join(' ')],
    ['its seconds', 'a second each', steady ? 'a second each' : gaps.join(', ')],
  ];
};

const heading = (text: string): void => {
  process.stdout.write(`\n${pc.bold(text)}\n\n`);
};

/** Runs it in a folder, with domains of an interface. @returns the exit status */
export const demoFull = async (folder: string, xen: Interface): Promise<number> => {
  for (const [file, size] of Object.values(DISKS).flat()) makeDisk(join(folder, file), size, file);
  heading('Two domains: one serves a disk, the other fetches it, hashes another, and counts');
  firstLife(makeGuest(false, variantOf(xen)), folder);
  heading('Both are in save files. Another process, another machine');
  await inAnotherProcess(folder, xen);
  heading('What was to be, and what was found');
  const findings = judge(folder);
  for (const [what, expected, found] of findings) {
    const verdict = expected === found ? pc.green('equal') : pc.red('different');
    process.stdout.write(`  ${what.padEnd(12)} ${expected}\n  ${verdict.padEnd(12)} ${found}\n`);
  }
  return findings.every(([, expected, found]) => expected === found) ? 0 : 1;
};
