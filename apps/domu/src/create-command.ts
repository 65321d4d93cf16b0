import { readFileSync } from 'node:fs';
import { Random } from '@port-xen/sim';
import {
  type DomainConfig,
  domainConfig,
  drawMac,
  drawUuid,
  parseXlCfg,
} from '@port-xen/toolstack';
import { type Command, Option } from 'commander';
import { diskFrom, FileDisk } from './file-disk.ts';
import { makeGuest, variantOf } from './guest.ts';
import { runDomain } from './run-domain.ts';
import { addRunFlags, type RunFlags } from './run-options.ts';
import { reasonOf, UserError } from './user-error.ts';

const DEFAULT_SLOT = 0;

/** Reads a configuration file as xl does, `key=value` overrides last. @throws UserError, ToolstackError */
export const readConfig = (
  path: string,
  overrides: readonly string[],
  seed: number,
): DomainConfig => {
  let text: string;
  try {
    text = readFileSync(path, 'latin1');
  } catch (error) {
    throw new UserError(`Failed to read config file: ${path}: ${reasonOf(error)}`);
  }
  process.stderr.write(`Parsing config from ${path}\n`);
  for (const override of overrides) {
    if (!/^\w+\+?=/.test(override)) {
      throw new UserError(`expected key=value after the file, found ${JSON.stringify(override)}`);
    }
  }
  const random = new Random(seed, 'config');
  const draw = { uuid: () => drawUuid(random), mac: () => drawMac(random) };
  const { config, warnings } = domainConfig(parseXlCfg(text, overrides), draw);
  for (const warning of warnings) process.stderr.write(`${path}: ${warning}\n`);
  if (config.kernel !== undefined) {
    throw new UserError(
      `kernel=${JSON.stringify(config.kernel)}: domains run the kernel that is built in; leave kernel= out`,
    );
  }
  // The domain may be restored from another folder.
  const disks = config.disks.map((disk) => diskFrom(process.cwd(), disk));
  return { ...config, disks };
};

/** Opens each disk and closes it again: a domain whose disk cannot be had is not made. @throws UserError */
export const checkDisks = (config: DomainConfig): void => {
  FileDisk.checkAll(config.disks);
};

/** `domu create CONFIG [key=value…]`. */
export const createCommand = (program: Command): void => {
  addRunFlags(
    program
      .command('create')
      .description('make a domain from an xl.cfg file and run it, its console on stdout')
      .argument('<config>', 'an xl.cfg file; extra="init=PROGRAM ARGS" says what the guest runs')
      .argument('[key=value...]', 'settings that prevail over the file'),
  )
    .addOption(new Option('-q, --quiet').hideHelp())
    .action(async (path: string, overrides: string[], flags: RunFlags) => {
      const config = readConfig(path, overrides, flags.seed);
      checkDisks(config);
      const guest = makeGuest(flags.amnesia ?? false, variantOf(config.interface));
      process.exitCode = await runDomain({
        flags,
        guest,
        memory_mib: Math.ceil(config.maxMem_kib / 1024),
        slot: DEFAULT_SLOT,
        make: (world) => world.xl.create(config, guest.elf),
      });
    });
};
