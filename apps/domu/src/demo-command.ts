/*
 * domu demo: a domain boots, hashes a disk, vanishes half-way into a file, wakes up in another process on another machine, and
 * finishes. The second process is given the image file and the disk, nothing else.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAXPHYS } from '@port-xen/kern';
import { type DomainConfig, fromJson, INTERFACES, type Interface } from '@port-xen/toolstack';
import { SingleBar } from 'cli-progress';
import { type Command, InvalidArgumentError, Option } from 'commander';
import pc from 'picocolors';
import { makeDisk, sha256OfFile, sizeOfFile } from './demo-disk.ts';
import { demoFull, secondLife } from './demo-full/demo-full.ts';
import { FileDisk } from './file-disk.ts';
import { makeGuest, variantOf } from './guest.ts';
import { restoreFile } from './restore-command.ts';
import { runDomain } from './run-domain.ts';
import { storyLine } from './story.ts';
import { reasonOf, UserError } from './user-error.ts';
import { whereabouts } from './whereabouts.ts';
import type { World } from './world.ts';

const DISK_SIZE = 24 * 2 ** 20;
const SEED = 2008;
const SLOT = 3;
/** What sha256 reads at once. */
const READ_SIZE = 65536;
const DIGEST = /^[0-9a-f]{64}$/m;

const mebibytes = (text: string): number => {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 8 && value <= 6144) return value;
  throw new InvalidArgumentError(`expected 8 to 6144 MiB, found ${JSON.stringify(text)}.`);
};

const heading = (text: string): void => {
  process.stdout.write(`\n${pc.bold(text)}\n\n`);
};

/** Block requests that sha256 makes of a disk. */
const requestsOf = (size: number): number => {
  let requests = 0;
  for (let left = size; left > 0; left -= READ_SIZE) {
    requests += Math.ceil(Math.min(left, READ_SIZE) / MAXPHYS);
  }
  return requests;
};

const configOf = (disk: string, memory_mib: number, xen: Interface): DomainConfig =>
  fromJson(
    JSON.stringify({
      c_info: { type: 'pv', name: 'demo', uuid: '20080612-0000-4000-8000-706f72747865' },
      b_info: {
        max_vcpus: 1,
        avail_vcpus: [0],
        max_memkb: memory_mib * 1024,
        target_memkb: memory_mib * 1024,
        cmdline: 'init=sha256 /dev/xbd0',
        interface: xen === 'xen-3.0' ? undefined : xen,
        'type.pv': {},
      },
      disks: [{ pdev_path: disk, vdev: 'xvda', format: 'raw' }],
    }),
  );

/** Tells what happens, a line at a time, above a bar that shows how far the hash is. */
class Teller {
  readonly #bar: SingleBar | undefined;
  #partial = '';

  constructor(total: number) {
    if (!process.stderr.isTTY || total === 0) return;
    this.#bar = new SingleBar({
      format: 'hashing {bar} {value}/{total} requests',
      clearOnComplete: true,
      hideCursor: true,
    });
    this.#bar.start(total, 0);
  }

  line(text: string): void {
    if (this.#bar !== undefined) process.stderr.write('\r\x1b[K');
    process.stdout.write(`${text}\n`);
  }

  story(time_ns: number, subsystem: string, text: string): void {
    this.line(storyLine(time_ns, subsystem, text));
  }

  /** What the guest prints, whole lines. */
  console(bytes: Uint8Array): void {
    const lines = (this.#partial + Buffer.from(bytes).toString('latin1')).split('\n');
    this.#partial = lines.pop() ?? '';
    for (const text of lines) this.line(`${' '.repeat(17)}${pc.green('domU'.padEnd(12))} ${text}`);
  }

  progress(completed: number): void {
    this.#bar?.update(completed);
  }

  facts(world: World, domid: number): void {
    this.line('');
    for (const [name, value] of whereabouts(world, domid)) {
      this.line(`  ${pc.bold(name.padEnd(10))} ${value}`);
    }
    this.line('');
  }

  end(): void {
    this.#bar?.stop();
  }
}

/** The first half: boot, work, vanish. */
const firstHalf = async (
  disk: string,
  image: string,
  memory_mib: number,
  xen: Interface,
): Promise<void> => {
  const total = requestsOf(sizeOfFile(disk));
  const teller = new Teller(total);
  const config = configOf(disk, memory_mib, xen);
  const guest = makeGuest(false, variantOf(xen));
  try {
    await runDomain({
      flags: {
        seed: SEED,
        host: { slot: SLOT, disjoint: true },
        save: image,
        at: `io:${Math.floor(total / 2)}`,
      },
      guest,
      memory_mib,
      slot: SLOT,
      console: (bytes) => teller.console(bytes),
      onStory: (time_ns, subsystem, text) => teller.story(time_ns, subsystem, text),
      onRequest: (_, __, completed) => teller.progress(completed),
      onSave: (world, domid) => teller.facts(world, domid),
      make: (world) => world.xl.create(config, guest.elf),
    });
  } finally {
    teller.end();
  }
};

/** The second half, in a process that was given the image file's name. @returns its exit status */
const secondHalf = (image: string): Promise<number> => {
  const teller = new Teller(0);
  let told = false;
  return restoreFile(
    image,
    undefined,
    { seed: SEED + 1, host: { disjoint: true } },
    {
      console: (bytes) => teller.console(bytes),
      onStory: (time_ns, subsystem, text) => teller.story(time_ns, subsystem, text),
      onRequest: (world, domid) => {
        if (!told) teller.facts(world, domid);
        told = true;
      },
    },
  );
};

/** Runs the second half. @returns the digest that the guest printed */
const inAnotherProcess = (image: string): Promise<string | undefined> =>
  new Promise((settle, fail) => {
    const main = fileURLToPath(new URL('main.ts', import.meta.url));
    const child = spawn(process.execPath, [...process.execArgv, main, 'demo-second-half', image], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...(pc.isColorSupported ? { FORCE_COLOR: '1' } : {}) },
    });
    let text = '';
    child.stdout.on('data', (bytes: Buffer) => {
      process.stdout.write(bytes);
      text += bytes.toString();
    });
    child.on('error', fail);
    child.on('close', (code) => {
      if (code !== 0) fail(new UserError(`the second process ended with exit status ${code}`));
      // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are taken out
      else settle(DIGEST.exec(text.replace(/\x1b\[\d+m/g, '').replace(/^ +domU +/gm, ''))?.[0]);
    });
  });

const demo = async (
  disk: string,
  image: string,
  memory_mib: number,
  xen: Interface,
): Promise<number> => {
  const expected = sha256OfFile(disk);
  heading(`A domain of ${memory_mib} MiB, of ${xen}, boots and hashes ${disk}`);
  await firstHalf(disk, image, memory_mib, xen);
  heading(
    `It is in ${image} (${(sizeOfFile(image) / 2 ** 20).toFixed(1)} MiB). Another process, another machine`,
  );
  const found = await inAnotherProcess(image);
  heading('The digest');
  process.stdout.write(`  the guest's   ${found ?? 'none'}\n  sha256sum's   ${expected}\n\n`);
  const equal = found === expected;
  process.stdout.write(
    equal ? `${pc.green('equal')}: nothing was lost\n` : `${pc.red('different')}\n`,
  );
  return equal ? 0 : 1;
};

/** The folder in which everything is made. @throws UserError when nothing can be made there */
const folderOf = (keep: string | undefined): string => {
  try {
    if (keep === undefined) return mkdtempSync(join(tmpdir(), 'domu-'));
    mkdirSync(keep, { recursive: true });
    accessSync(keep, constants.W_OK);
    return resolve(keep);
  } catch (error) {
    throw new UserError(`nothing can be kept in ${keep ?? tmpdir()}: ${reasonOf(error)}`);
  }
};

interface DemoFlags {
  readonly disk?: string;
  readonly memory: number;
  readonly keep?: string;
  readonly full?: boolean;
  readonly interface: Interface;
}

/** `domu demo [--disk FILE] [--memory MIB] [--keep DIR] [--interface NAME]`. */
export const demoCommand = (program: Command): void => {
  program
    .command('demo')
    .description('the story: boot, hash a disk, be saved, wake up in another process, finish')
    .option('--disk <file>', 'the disk to hash, instead of one made for the occasion')
    .option('--memory <mib>', 'memory of the domain', mebibytes, 32)
    .option('--keep <dir>', 'leave the image (and the disk) there')
    .addOption(
      new Option('--interface <name>', 'whose control path the domain has')
        .choices(INTERFACES)
        .default('xen-3.0'),
    )
    .option('--full', 'two domains: disks, network, console and clock at work together')
    .action(async (flags: DemoFlags) => {
      const folder = folderOf(flags.keep);
      try {
        if (flags.full) {
          process.exitCode = await demoFull(folder, flags.interface);
          return;
        }
        const disk = resolve(flags.disk ?? join(folder, 'disk.img'));
        if (flags.disk === undefined) makeDisk(disk, DISK_SIZE);
        else new FileDisk(disk, 'r').close();
        const image = join(folder, 'demo.save');
        process.exitCode = await demo(disk, image, flags.memory, flags.interface);
      } finally {
        if (flags.keep === undefined) rmSync(folder, { recursive: true });
      }
    });
  program.command('demo-second-half <image>', { hidden: true }).action(async (image: string) => {
    process.exitCode = await secondHalf(image);
  });
  program
    .command('demo-full-second-half <folder> <interface>', { hidden: true })
    .action(secondLife);
};
